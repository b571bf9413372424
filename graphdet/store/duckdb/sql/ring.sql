-- 02 One ring: the items it pushes, what its members share, its members
-- :param ring_id => 'R0001'
WITH member AS (SELECT user_id, score FROM ring_members WHERE ring_id = $ring_id),
target AS (SELECT item_id, n_users, lift FROM ring_items WHERE ring_id = $ring_id),
touched AS (
    SELECT user_id, count(DISTINCT item_id) AS n
    FROM events
    WHERE user_id IN (SELECT user_id FROM member) AND item_id IN (SELECT item_id FROM target)
    GROUP BY user_id
)
SELECT what, id, n, "value"
FROM (
    SELECT 0 AS place, 'item' AS what, item_id AS id, n_users AS n, lift AS "value" FROM target
    UNION ALL
    SELECT CASE kind WHEN 'item' THEN 0 WHEN 'member' THEN 2 ELSE 1 END, kind, entity_id, count(DISTINCT user_id), NULL
    FROM entities
    WHERE user_id IN (SELECT user_id FROM member)
    GROUP BY kind, entity_id
    HAVING count(DISTINCT user_id) > 1
    UNION ALL
    SELECT 2, 'member', user_id, coalesce(touched.n, 0), score FROM member LEFT JOIN touched USING (user_id)
)
ORDER BY place, n DESC, what, id
LIMIT $limit
