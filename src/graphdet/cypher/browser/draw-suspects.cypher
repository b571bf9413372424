// Draw the top suspects: the rings they are in and what those push
MATCH (user:Suspect)
WITH user ORDER BY user.score DESC, user.userId LIMIT 60
OPTIONAL MATCH (user)-[member:MEMBER_OF]->(ring:Ring)
OPTIONAL MATCH (ring)-[targets:TARGETS]->(item:Item)
RETURN user, member, ring, targets, item
LIMIT 500
