// Scores of sessions that have one, learned from labels.
MATCH (n:Session) WHERE n.score IS NOT NULL
RETURN [n.sessionId, n.score, n.pValue, n.flagged, n.reason] AS row
