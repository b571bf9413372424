// Scores of sessions, learned from labels.
UNWIND $rows AS row
MATCH (n:Session {sessionId: row.id})
SET n.score = row.score, n.pValue = row.pValue, n.flagged = row.flagged, n.reason = row.reason
RETURN count(n) AS n
