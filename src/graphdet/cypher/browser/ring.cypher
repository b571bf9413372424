// One ring: what its members did to its targets, in the order of time (:param ring_id => 'ID')
MATCH (u:User)-[m:MEMBER_OF]->(ring:Ring {ringId: $ring_id})-[:TARGETS]->(i:Item)
MATCH (u)-[:STARTED]->(s:Session)-[r]->(i)
RETURN u.userId AS user_id, m.score AS score, i.itemId AS item_id, coalesce(r.action, type(r)) AS action,
  r.at AS at, r.n AS n
ORDER BY at, user_id, item_id, action, s.sessionId
LIMIT 100
