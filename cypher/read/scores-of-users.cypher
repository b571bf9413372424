// Scores of some users, of those that have one.
UNWIND $ids AS id
MATCH (u:User {userId: id}) WHERE u.score IS NOT NULL
RETURN [u.userId, u.score, u.pValue, u.qValue, u:Suspect, u.ringId, u.gnn, u.clusterDistance, u.probability,
  u.reason] AS row
