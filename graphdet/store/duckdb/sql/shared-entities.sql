-- 12 Shared entities: devices, addresses and the like that several suspects or members of flagged rings used
-- :param min_users => 2
WITH suspicious AS (
    SELECT user_id FROM scores WHERE flagged
    UNION
    SELECT user_id FROM ring_members JOIN rings USING (ring_id) WHERE flagged
)
SELECT kind, entity_id, count(DISTINCT user_id) AS n_users
FROM entities
JOIN suspicious USING (user_id)
GROUP BY kind, entity_id
HAVING n_users >= $min_users
ORDER BY n_users DESC, kind, entity_id
LIMIT $limit
