// 16 Draw a ring: its members, their sessions and the items it pushes
// :param ring_id => 'R0001'
MATCH (ring:Ring {ringId: $ring_id})-[pushed:TARGETS]->(target:Item)
WITH ring, collect(target) AS items, collect(pushed) AS targets
MATCH (user:User)-[member:MEMBER_OF]->(ring)
OPTIONAL MATCH (user)-[started:STARTED]->(session:Session)-[act]->(item:Item)
WHERE item IN items
RETURN ring, member, user, started, session, act, item, items, targets
ORDER BY user.userId, item.itemId
LIMIT 300
