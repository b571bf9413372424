-- Busy sessions: the most items in one session, and how many seconds it took
SELECT
    session_id,
    min(user_id) AS user_id,
    count(DISTINCT item_id) AS n_items,
    (max(at_ms) - min(at_ms)) / 1000.0 AS seconds
FROM events
GROUP BY session_id
ORDER BY n_items DESC, session_id
LIMIT $limit
