// Users that are not scored any more.
UNWIND $userIds AS userId
MATCH (u:User {userId: userId})
REMOVE u.score, u.pValue, u.qValue, u.gnn, u.clusterDistance, u.probability, u.reason, u.ringId, u.riskBand
