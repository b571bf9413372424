// No session has a score, some thousand at a time.
MATCH (n:Session) WHERE n.score IS NOT NULL WITH n LIMIT $size
REMOVE n.score, n.pValue, n.flagged, n.reason
RETURN count(n) AS n
