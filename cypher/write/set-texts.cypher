// Texts of nodes, each a map of one property.
UNWIND $rows AS row
MATCH (n) WHERE elementId(n) = row.key
SET n += row.text
RETURN count(n) AS n
