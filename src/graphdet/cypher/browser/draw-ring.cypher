// 16 Draw a ring: its members, their sessions and the items it pushes
// :param ring_id => 'R0001'
MATCH (ring:Ring {ringId: $ring_id})-[targets:TARGETS]->(item:Item)
MATCH (user:User)-[member:MEMBER_OF]->(ring)
OPTIONAL MATCH (user)-[started:STARTED]->(session:Session)-[act]->(item)
RETURN ring, member, user, started, session, act, item, targets
ORDER BY user.userId, item.itemId
LIMIT 300
