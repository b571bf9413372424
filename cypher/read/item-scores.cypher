// Scores of items that have one, learned from labels.
MATCH (n:Item) WHERE n.score IS NOT NULL
RETURN [n.itemId, n.score, n.pValue, n.flagged, n.reason] AS row
