// Scores of items, learned from labels.
UNWIND $rows AS row
MATCH (n:Item {itemId: row.id})
SET n.score = row.score, n.pValue = row.pValue, n.flagged = row.flagged, n.reason = row.reason
RETURN count(n) AS n
