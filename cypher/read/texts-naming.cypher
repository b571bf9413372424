// Sentences and JSON that may name an account.
MATCH (n:Ring) UNWIND ['reason', 'evidence'] AS name
WITH n, name, n[name] AS text WHERE any(x IN $needles WHERE text CONTAINS x)
RETURN elementId(n) AS key, name, text
UNION ALL
MATCH (n:RingSeen) WITH n, 'origin' AS name, n.origin AS text WHERE any(x IN $needles WHERE text CONTAINS x)
RETURN elementId(n) AS key, name, text
UNION ALL
MATCH (n:Meta) WITH n, 'value' AS name, n.value AS text WHERE any(x IN $needles WHERE text CONTAINS x)
RETURN elementId(n) AS key, name, text
UNION ALL
MATCH (n) WHERE n:User OR n:Item OR n:Session
WITH n, 'reason' AS name, n.reason AS text WHERE any(x IN $needles WHERE text CONTAINS x)
RETURN elementId(n) AS key, name, text
