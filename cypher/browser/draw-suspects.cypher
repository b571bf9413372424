// 17 Draw the top suspects: the rings they are in and what those push
// :param min_score => 0.0
MATCH (user:Suspect)
WHERE user.score >= $min_score
WITH user ORDER BY user.score DESC, user.userId LIMIT 60
OPTIONAL MATCH (user)-[member:MEMBER_OF]->(ring:Ring)
OPTIONAL MATCH (ring)-[targets:TARGETS]->(item:Item)
RETURN user, member, ring, targets, item
LIMIT 500
