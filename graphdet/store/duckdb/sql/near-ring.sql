-- 06 Accounts near the ring that are not members: several of its items (rarest first, up to max_acts) or a member's device
-- :param ring_id => 'R0001'
-- :param min_items => 2
-- :param max_acts => 20000
WITH member AS (SELECT user_id FROM ring_members WHERE ring_id = $ring_id),
act AS (
    SELECT DISTINCT user_id, session_id, item_id, action
    FROM events
    WHERE item_id IN (SELECT item_id FROM ring_items WHERE ring_id = $ring_id)
),
crowd AS (SELECT item_id, count(*) AS n_acts FROM act GROUP BY item_id),
kept AS (SELECT item_id FROM crowd QUALIFY sum(n_acts) OVER (ORDER BY n_acts, item_id) <= $max_acts),
near AS (
    SELECT user_id, count(DISTINCT item_id) AS n_items, 0 AS n_entities
    FROM act
    WHERE item_id IN (SELECT item_id FROM kept)
    GROUP BY user_id
    HAVING count(DISTINCT item_id) >= $min_items
    UNION ALL
    SELECT user_id, 0, count(*)
    FROM entities
    WHERE (kind, entity_id) IN (SELECT (kind, entity_id) FROM entities WHERE user_id IN (SELECT user_id FROM member))
    GROUP BY user_id
)
SELECT
    near.user_id,
    CAST(sum(near.n_items) AS BIGINT) AS n_items,
    CAST(sum(near.n_entities) AS BIGINT) AS n_entities,
    any_value(scores.score) AS score,
    any_value(scores.ring_id) AS ring_id
FROM near
LEFT JOIN scores ON scores.user_id = near.user_id
WHERE near.user_id NOT IN (SELECT user_id FROM member)
GROUP BY near.user_id
ORDER BY sum(near.n_items) + sum(near.n_entities) DESC, near.user_id
LIMIT $limit
