-- 13 Co-actors: who acted on the same items as one user, most items in common first; crowded items left out
-- :param user_id => 'ID'
-- :param max_acts => 5000
WITH quiet AS (
    SELECT item_id
    FROM (SELECT DISTINCT item_id, session_id, action FROM events
          WHERE item_id IN (SELECT item_id FROM events WHERE user_id = $user_id))
    GROUP BY item_id
    HAVING count(*) <= $max_acts
)
SELECT user_id, count(DISTINCT item_id) AS n_items
FROM events
WHERE item_id IN (SELECT item_id FROM quiet) AND user_id <> $user_id
GROUP BY user_id
ORDER BY n_items DESC, user_id
LIMIT $limit
