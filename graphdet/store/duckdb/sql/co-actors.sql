-- 13 Co-actors: who acted on the same items as one user, most items in common first; rarest items first, up to max_acts
-- :param user_id => 'ID'
-- :param max_acts => 20000
WITH crowd AS (
    SELECT item_id, count(*) AS n_acts
    FROM (SELECT DISTINCT item_id, session_id, action FROM events
          WHERE item_id IN (SELECT item_id FROM events WHERE user_id = $user_id))
    GROUP BY item_id
),
kept AS (SELECT item_id FROM crowd QUALIFY sum(n_acts) OVER (ORDER BY n_acts, item_id) <= $max_acts)
SELECT user_id, count(DISTINCT item_id) AS n_items
FROM events
WHERE item_id IN (SELECT item_id FROM kept) AND user_id <> $user_id
GROUP BY user_id
ORDER BY n_items DESC, user_id
LIMIT $limit
