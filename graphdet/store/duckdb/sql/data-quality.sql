-- 10 Data quality: what was read and rejected, how much of everything there is, what is not settled
-- :param max_reject_share => 0.05
WITH total AS (
    SELECT
        (SELECT count(DISTINCT user_id) FROM event_log) AS users,
        (SELECT count(*) FROM sessions) AS sessions,
        (SELECT count(*) FROM items) AS items,
        (SELECT count(*) FROM interactions) AS acts
)
SELECT *
FROM (
    SELECT 'rows' AS what, array_to_string(files, ', ') AS source, n_rows AS n, NULL::DOUBLE AS "value", NULL::BOOLEAN AS ok
    FROM sources
    UNION ALL
    SELECT
        'rejected rows',
        array_to_string(files, ', '),
        n_rejects,
        1.0::DOUBLE * n_rejects / nullif(n_rows, 0),
        n_rejects / nullif(n_rows, 0) <= $max_reject_share
    FROM sources
    UNION ALL
    SELECT 'users, sessions a user', NULL, users, 1.0::DOUBLE * sessions / nullif(users, 0), NULL FROM total
    UNION ALL
    SELECT 'sessions, interactions a session', NULL, sessions, 1.0::DOUBLE * acts / nullif(sessions, 0), NULL FROM total
    UNION ALL
    SELECT 'items, interactions an item', NULL, items, 1.0::DOUBLE * acts / nullif(items, 0), NULL FROM total
    UNION ALL
    SELECT 'verdicts not yet in the audit log', NULL, 0, NULL, true
)
ORDER BY source, what
LIMIT $limit
