-- 15 Counts: how much of everything there is
SELECT 'users' AS what, count(DISTINCT user_id) AS n FROM event_log
UNION ALL
SELECT 'items', count(*) FROM items
UNION ALL
SELECT 'sessions', count(*) FROM sessions
UNION ALL
SELECT 'interactions', count(*) FROM interactions
UNION ALL
SELECT 'entities', count(DISTINCT (kind, entity_id)) FROM entities
UNION ALL
SELECT 'rings', count(*) FROM rings
UNION ALL
SELECT 'suspects', count(*) FROM scores WHERE flagged
LIMIT $limit
