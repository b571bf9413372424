// 16 Draw a ring: its members, their sessions and the items it pushes
// :param ring_id => 'R0001'
MATCH (ring:Ring {ringId: $ring_id})
CALL {
  WITH ring
  MATCH drawing = (ring)-[:TARGETS]->(item:Item)
  RETURN drawing, 0 AS part, '' AS user_id, item.itemId AS item_id
  UNION ALL
  WITH ring
  MATCH drawing = (ring)<-[:MEMBER_OF]-(user:User)
  RETURN drawing, 1 AS part, user.userId AS user_id, '' AS item_id
  UNION ALL
  WITH ring
  MATCH (ring)-[:TARGETS]->(target:Item)
  WITH ring, collect(target) AS targets
  MATCH (ring)<-[:MEMBER_OF]-(user:User)
  MATCH drawing = (user)-[:STARTED]->(:Session)-->(item:Item)
  WHERE item IN targets
  RETURN drawing, 2 AS part, user.userId AS user_id, item.itemId AS item_id
}
RETURN drawing
ORDER BY part, user_id, item_id
LIMIT 300
