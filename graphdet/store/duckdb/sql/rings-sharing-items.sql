-- 07 Rings that push the same items, and how many accounts are in both
-- :param min_shared => 1
WITH shared AS (
    SELECT one.ring_id, other.ring_id AS other_ring_id, count(*) AS n_items
    FROM ring_items AS one
    JOIN ring_items AS other ON other.item_id = one.item_id AND one.ring_id < other.ring_id
    GROUP BY one.ring_id, other.ring_id
    HAVING count(*) >= $min_shared
)
SELECT
    shared.ring_id,
    shared.other_ring_id,
    shared.n_items,
    (
        SELECT count(*)
        FROM ring_members AS one
        JOIN ring_members AS other USING (user_id)
        WHERE one.ring_id = shared.ring_id AND other.ring_id = shared.other_ring_id
    ) AS n_users,
    ring.flagged,
    other.flagged AS other_flagged
FROM shared
JOIN rings AS ring ON ring.ring_id = shared.ring_id
JOIN rings AS other ON other.ring_id = shared.other_ring_id
ORDER BY n_items DESC, shared.ring_id, shared.other_ring_id
LIMIT $limit
