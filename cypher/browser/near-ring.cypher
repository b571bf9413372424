// 06 Accounts near the ring that are not members: several of its items (rarest first, up to max_acts) or a member's device
// :param ring_id => 'R0001'
// :param min_items => 2
// :param max_acts => 20000
MATCH (ring:Ring {ringId: $ring_id})
CALL {
  WITH ring
  MATCH (ring)-[:TARGETS]->(i:Item)
  WITH i, COUNT { (i)<--() } - COUNT { (i)<-[:TARGETS]-() } AS n_acts
  ORDER BY n_acts, i.itemId
  WITH collect({item: i, n_acts: n_acts}) AS rarest_first
  WITH reduce(kept = {items: [], n_acts: 0}, next IN rarest_first |
    CASE WHEN kept.n_acts + next.n_acts <= $max_acts
      THEN {items: kept.items + next.item, n_acts: kept.n_acts + next.n_acts} ELSE kept END).items AS items
  UNWIND items AS i
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
