// How many nodes there are that a bulk load would lose.
MATCH (n) WHERE NOT n:Meta
RETURN count(n) AS n
