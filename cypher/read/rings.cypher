// Rings, most suspicious first.
MATCH (r:Ring)
RETURN properties(r) AS ring
