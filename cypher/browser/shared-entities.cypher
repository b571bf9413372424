// 12 Shared entities: devices, addresses and the like that several suspects or members of flagged rings used
// :param min_users => 2
CALL {
  MATCH (u:Suspect) WHERE u.score >= 0
  RETURN u
  UNION
  MATCH (r:Ring) WHERE r.score >= 0 AND r.flagged
  MATCH (u:User)-[:MEMBER_OF]->(r)
  RETURN u
}
MATCH (u)-[:USED]->(e)
WITH e, count(DISTINCT u) AS n_users
WHERE n_users >= $min_users
RETURN e.kind AS kind, e.entityId AS entity_id, n_users
ORDER BY n_users DESC, kind, entity_id
LIMIT 100
