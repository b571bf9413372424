// No item has a score, some thousand at a time.
MATCH (n:Item) WHERE n.score IS NOT NULL WITH n LIMIT $size
REMOVE n.score, n.pValue, n.flagged, n.reason
RETURN count(n) AS n
