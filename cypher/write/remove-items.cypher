// Items that are accounts, and sessions in which nothing else was done.
MATCH (i:Item) WHERE i.itemId IN $ids
OPTIONAL MATCH (s:Session)-[r]->(i)
WITH collect(DISTINCT i) AS items, collect(DISTINCT s) AS sessions, count(r) AS acts
FOREACH (i IN items | DETACH DELETE i)
WITH items, acts, [s IN sessions WHERE NOT EXISTS { (s)-->(:Item) }] AS empty
FOREACH (s IN empty | DETACH DELETE s)
RETURN size(items) AS items, acts AS interactions
