// 07 Rings that push the same items, and how many accounts are in both
// :param min_shared => 1
MATCH (a:Ring)
WHERE a.score >= 0
MATCH drawing = (a)-[:TARGETS]->(i:Item)<-[:TARGETS]-(b:Ring)
WHERE a.ringId < b.ringId
WITH a, b, count(DISTINCT i) AS n_items, collect(drawing) AS drawing
WHERE n_items >= $min_shared
RETURN a.ringId AS ring_id, b.ringId AS other_ring_id, n_items,
  COUNT { (a)<-[:MEMBER_OF]-(:User)-[:MEMBER_OF]->(b) } AS n_users,
  a.flagged AS flagged, b.flagged AS other_flagged, drawing
ORDER BY n_items DESC, ring_id, other_ring_id
LIMIT 100
