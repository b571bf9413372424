// 02 One ring: the items it pushes, what its members share, its members
// :param ring_id => 'R0001'
MATCH (ring:Ring {ringId: $ring_id})
CALL {
  WITH ring
  MATCH drawing = (ring)-[t:TARGETS]->(i:Item)
  RETURN 'item' AS what, i.itemId AS id, t.nUsers AS n, t.lift AS value, drawing
  UNION ALL
  WITH ring
  MATCH path = (ring)<-[:MEMBER_OF]-(u:User)-[:USED]->(e)
  WITH e, count(DISTINCT u) AS n, collect(path) AS drawing
  WHERE n > 1
  RETURN e.kind AS what, e.entityId AS id, n, null AS value, drawing
  UNION ALL
  WITH ring
  OPTIONAL MATCH (ring)-[:TARGETS]->(target:Item)
  WITH ring, collect(target) AS targets
  MATCH drawing = (u:User)-[m:MEMBER_OF]->(ring)
  RETURN 'member' AS what, u.userId AS id,
    COUNT { MATCH (u)-[:STARTED]->(:Session)-->(i:Item) WHERE i IN targets RETURN DISTINCT i } AS n,
    m.score AS value, drawing
}
RETURN what, id, n, value, drawing
ORDER BY CASE what WHEN 'item' THEN 0 WHEN 'member' THEN 2 ELSE 1 END, n DESC, what, id
LIMIT 100
