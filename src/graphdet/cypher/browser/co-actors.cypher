// 13 Co-actors: who acted on the same items as one user, most items in common first; crowded items left out
// :param user_id => 'ID'
// :param max_acts => 5000
MATCH (me:User {userId: $user_id})-[:STARTED]->(:Session)-->(i:Item)
WITH DISTINCT me, i
WHERE COUNT { (i)<--() } - COUNT { (i)<-[:TARGETS]-() } <= $max_acts
MATCH (i)<--(:Session)<-[:STARTED]-(u:User)
WHERE u <> me
RETURN u.userId AS user_id, count(DISTINCT i) AS n_items
ORDER BY n_items DESC, user_id
LIMIT 100
