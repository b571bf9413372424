// 16 Draw a ring: its surest members, the devices they share and the items it pushes; `shown` says what is cut
// :param ring_id => 'R0001'
// :param max_members => 25
MATCH (ring:Ring {ringId: $ring_id})
CALL {
  WITH ring
  MATCH (user:User)-[m:MEMBER_OF]->(ring)
  WITH user ORDER BY m.score DESC, user.userId
  RETURN collect(user) AS every_member
}
CALL {
  WITH ring
  MATCH (ring)-[t:TARGETS]->(item:Item)
  WITH item ORDER BY t.nUsers DESC, item.itemId
  RETURN collect(item) AS every_item
}
WITH every_member, every_item, every_member[..$max_members] AS members, every_item[..10] AS items
CALL {
  WITH members
  UNWIND members AS user
  MATCH (user)-[:USED]->(entity)
  WITH entity, count(user) AS n
  WHERE n > 1
  WITH entity ORDER BY n DESC, entity.entityId
  RETURN collect(entity) AS every_entity
}
WITH *, every_entity[..5] AS entities
WITH *, size(members) + ' of ' + size(every_member) + ' members, ' + size(items) + ' of ' + size(every_item) +
  ' items, ' + size(entities) + ' of ' + size(every_entity) + ' devices and the like that these share' AS shown
CALL {
  WITH members, entities
  UNWIND members AS user
  MATCH drawing = (user)-[:USED]->(entity)
  WHERE entity IN entities
  RETURN drawing, 0 AS part, user.userId AS user_id, entity.entityId AS id
  UNION ALL
  WITH members, items
  UNWIND members AS user
  MATCH drawing = (user)-[:STARTED]->(session:Session)-[act]->(item:Item)
  WHERE item IN items
  WITH user, item, drawing ORDER BY act.at, session.sessionId
  WITH user, item, head(collect(drawing)) AS drawing
  RETURN drawing, 1 AS part, user.userId AS user_id, item.itemId AS id
}
RETURN drawing, shown
ORDER BY part, user_id, id
LIMIT 400
