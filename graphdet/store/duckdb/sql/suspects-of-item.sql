-- 14 Suspects of an item: flagged users who acted on it, and when first
-- :param item_id => 'ID'
SELECT
    scores.user_id,
    any_value(scores.score) AS score,
    strftime(make_timestamp_ms(min(events.at_ms)), '%Y-%m-%dT%H:%M:%S.%gZ') AS "at"
FROM events
JOIN scores ON scores.user_id = events.user_id
WHERE events.item_id = $item_id AND scores.flagged
GROUP BY scores.user_id
ORDER BY score DESC, scores.user_id
LIMIT $limit
