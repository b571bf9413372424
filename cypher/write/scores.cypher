// Scores of users; a null removes the property.
UNWIND $rows AS row
MATCH (u:User {userId: row.userId})
SET u.score = row.score, u.pValue = row.pValue, u.qValue = row.qValue, u.gnn = row.gnn,
  u.clusterDistance = row.clusterDistance, u.probability = row.probability, u.reason = row.reason,
  u.ringId = row.ringId, u.displayName = row.userId, u.riskBand = row.riskBand
FOREACH (_ IN CASE WHEN row.flagged THEN [1] ELSE [] END | SET u:Suspect)
RETURN count(u) AS n
