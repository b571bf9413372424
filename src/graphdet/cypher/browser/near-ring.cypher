// 06 Accounts near the ring that are not members: several of its items, or a device of a member
// :param ring_id => 'R0001'
// :param min_items => 2
// :param max_acts => 5000
MATCH (ring:Ring {ringId: $ring_id})
CALL {
  WITH ring
  MATCH (ring)-[:TARGETS]->(i:Item)
  WHERE COUNT { (i)<--() } - COUNT { (i)<-[:TARGETS]-() } <= $max_acts
  MATCH (i)<--(:Session)<-[:STARTED]-(u:User)
  WITH u, count(DISTINCT i) AS n_items
  WHERE n_items >= $min_items
  RETURN u, n_items, 0 AS n_entities
  UNION ALL
  WITH ring
  MATCH (ring)<-[:MEMBER_OF]-(:User)-[:USED]->(e)
  WITH DISTINCT e
  MATCH (e)<-[:USED]-(u:User)
  RETURN u, 0 AS n_items, count(e) AS n_entities
}
WITH ring, u, sum(n_items) AS n_items, sum(n_entities) AS n_entities
WHERE NOT EXISTS { (u)-[:MEMBER_OF]->(ring) }
RETURN u.userId AS user_id, n_items, n_entities, u.score AS score, u.ringId AS ring_id
ORDER BY n_items + n_entities DESC, user_id
LIMIT 100
