// 13 Co-actors: who acted on the same items as one user, most items in common first; rarest items first, up to max_acts
// :param user_id => 'ID'
// :param max_acts => 20000
MATCH (me:User {userId: $user_id})-[:STARTED]->(:Session)-->(i:Item)
WITH DISTINCT me, i
WITH me, i, COUNT { (i)<--() } - COUNT { (i)<-[:TARGETS]-() } AS n_acts
ORDER BY n_acts, i.itemId
WITH me, collect({item: i, n_acts: n_acts}) AS rarest_first
WITH me, reduce(kept = {items: [], n_acts: 0}, next IN rarest_first |
  CASE WHEN kept.n_acts + next.n_acts <= $max_acts
    THEN {items: kept.items + next.item, n_acts: kept.n_acts + next.n_acts} ELSE kept END).items AS items
UNWIND items AS i
MATCH (i)<--(:Session)<-[:STARTED]-(u:User)
WHERE u <> me
RETURN u.userId AS user_id, count(DISTINCT i) AS n_items
ORDER BY n_items DESC, user_id
LIMIT 100
