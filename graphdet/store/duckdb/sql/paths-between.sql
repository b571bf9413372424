-- 05 Paths between two suspects: a ring, an item or a device in common, or one account between them
-- :param user_id => 'ID'
-- :param other_id => 'ID'
-- :param max_users => 100
WITH n_users_of AS (SELECT kind, entity_id, count(DISTINCT user_id) AS n FROM entities GROUP BY kind, entity_id),
one_item AS (SELECT item_id, min(at_ms) AS at_ms FROM events WHERE user_id = $user_id GROUP BY item_id),
other_item AS (SELECT item_id, min(at_ms) AS at_ms FROM events WHERE user_id = $other_id GROUP BY item_id),
path AS (
    SELECT 1 AS steps, 'ring' AS kind, one.ring_id AS id, NULL AS user_between, NULL AS next_kind, NULL AS next_id,
        NULL::BIGINT AS at_ms, NULL::BIGINT AS other_ms
    FROM ring_members AS one
    JOIN ring_members AS other ON other.ring_id = one.ring_id AND other.user_id = $other_id
    WHERE one.user_id = $user_id AND $user_id <> $other_id
    UNION ALL
    SELECT 1, one.kind, one.entity_id, NULL, NULL, NULL, one.first_ms, other.first_ms
    FROM entities AS one
    JOIN entities AS other USING (kind, entity_id)
    WHERE one.user_id = $user_id AND other.user_id = $other_id AND $user_id <> $other_id
    UNION ALL
    SELECT 1, 'item', item_id, NULL, NULL, NULL, one_item.at_ms, other_item.at_ms
    FROM one_item
    JOIN other_item USING (item_id)
    UNION ALL
    SELECT 2, one.kind, one.entity_id, here.user_id, other.kind, other.entity_id, NULL, NULL
    FROM entities AS one
    JOIN entities AS here ON here.kind = one.kind AND here.entity_id = one.entity_id
    JOIN entities AS there ON there.user_id = here.user_id
    JOIN entities AS other ON other.kind = there.kind AND other.entity_id = there.entity_id
    JOIN n_users_of AS one_size ON one_size.kind = one.kind AND one_size.entity_id = one.entity_id
    JOIN n_users_of AS other_size ON other_size.kind = other.kind AND other_size.entity_id = other.entity_id
    WHERE one.user_id = $user_id AND other.user_id = $other_id AND here.user_id NOT IN ($user_id, $other_id)
        AND (one.kind, one.entity_id) <> (other.kind, other.entity_id)
        AND one_size.n <= $max_users AND other_size.n <= $max_users
)
SELECT
    steps, kind, id, user_between, next_kind, next_id,
    strftime(make_timestamp_ms(at_ms), '%Y-%m-%dT%H:%M:%S.%gZ') AS "at",
    strftime(make_timestamp_ms(other_ms), '%Y-%m-%dT%H:%M:%S.%gZ') AS other_at,
    abs(at_ms - other_ms) / 1000.0 AS gap_s
FROM path
ORDER BY steps, gap_s, kind, id, user_between, next_kind, next_id
LIMIT $limit
