-- Co-actors: users who acted on the same items as one user, most items in common first
SELECT user_id, count(DISTINCT item_id) AS n_items
FROM events
WHERE item_id IN (SELECT item_id FROM events WHERE user_id = $user_id) AND user_id <> $user_id
GROUP BY user_id
ORDER BY n_items DESC, user_id
LIMIT $limit
