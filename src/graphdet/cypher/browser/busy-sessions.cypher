// Busy sessions: the most items in one session, and how many seconds it took
MATCH (u:User)-[:STARTED]->(s:Session)-->(i:Item)
WITH u, s, count(DISTINCT i) AS n_items
RETURN s.sessionId AS session_id, u.userId AS user_id, n_items,
  (s.endedAt.epochMillis - s.startedAt.epochMillis) / 1000.0 AS seconds
ORDER BY n_items DESC, session_id
LIMIT 100
