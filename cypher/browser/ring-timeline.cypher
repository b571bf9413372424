// 03 A ring's timeline: what its members did to the items it pushes, in the order of time
// :param ring_id => 'R0001'
MATCH (ring:Ring {ringId: $ring_id})-[:TARGETS]->(i:Item)
WITH ring, collect(i) AS targets
MATCH (u:User)-[m:MEMBER_OF]->(ring)
MATCH (u)-[:STARTED]->(s:Session)-[r]->(i:Item)
WHERE i IN targets
RETURN u.userId AS user_id, m.score AS score, i.itemId AS item_id, coalesce(r.action, type(r)) AS action,
  r.at AS at, r.n AS n
ORDER BY at, user_id, item_id, action, s.sessionId
LIMIT 100
