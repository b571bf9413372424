// Scores of all users that have one.
MATCH (u:User) WHERE u.score IS NOT NULL
RETURN [u.userId, u.score, u.pValue, u.qValue, u:Suspect, u.ringId, u.gnn, u.clusterDistance, u.probability,
  u.reason] AS row
