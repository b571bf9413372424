// 14 Suspects of an item: flagged users who acted on it, and when first
// :param item_id => 'ID'
MATCH (:Item {itemId: $item_id})<-[r]-(:Session)<-[:STARTED]-(u:Suspect)
RETURN u.userId AS user_id, u.score AS score, min(r.at) AS at
ORDER BY score DESC, user_id
LIMIT 100
