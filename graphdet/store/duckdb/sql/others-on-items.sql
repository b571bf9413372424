-- 04 Who else touched these items in that window: not members; rarest items first, up to max_acts acts on them
-- :param ring_id => 'R0001'
-- :param margin_h => 0.0
-- :param max_acts => 20000
WITH span AS (
    SELECT
        epoch_ms(CAST(coalesce(first_seen, '1970-01-01T00:00:00Z') AS TIMESTAMPTZ)) - CAST(trunc($margin_h * 3600000) AS BIGINT) AS since_ms,
        epoch_ms(CAST(coalesce(last_seen, '1970-01-01T00:00:00Z') AS TIMESTAMPTZ)) + CAST(trunc($margin_h * 3600000) AS BIGINT) AS until_ms
    FROM rings
    WHERE ring_id = $ring_id
),
act AS (
    SELECT user_id, item_id, min(at_ms) AS at_ms, count(*) AS n
    FROM events
    WHERE item_id IN (SELECT item_id FROM ring_items WHERE ring_id = $ring_id)
    GROUP BY user_id, session_id, item_id, action
),
crowd AS (SELECT item_id, count(*) AS n_acts FROM act GROUP BY item_id),
kept AS (SELECT item_id FROM crowd QUALIFY sum(n_acts) OVER (ORDER BY n_acts, item_id) <= $max_acts)
SELECT
    act.user_id,
    count(DISTINCT act.item_id) AS n_items,
    CAST(sum(act.n) AS BIGINT) AS n_acts,
    strftime(make_timestamp_ms(min(act.at_ms)), '%Y-%m-%dT%H:%M:%S.%gZ') AS first_at,
    strftime(make_timestamp_ms(max(act.at_ms)), '%Y-%m-%dT%H:%M:%S.%gZ') AS last_at,
    any_value(scores.score) AS score,
    any_value(scores.ring_id) AS ring_id
FROM act
JOIN span ON act.at_ms BETWEEN span.since_ms AND span.until_ms
LEFT JOIN scores ON scores.user_id = act.user_id
WHERE act.item_id IN (SELECT item_id FROM kept)
    AND act.user_id NOT IN (SELECT user_id FROM ring_members WHERE ring_members.ring_id = $ring_id)
GROUP BY act.user_id
ORDER BY n_items DESC, n_acts DESC, act.user_id
LIMIT $limit
