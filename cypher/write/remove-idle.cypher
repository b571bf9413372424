// Users without a session, items on which nobody acted, and shared entities that nobody has used any more.
MATCH (u:User) WHERE NOT EXISTS { (u)-[:STARTED]->(:Session) }
WITH collect(u) AS users
FOREACH (u IN users | DETACH DELETE u)
WITH size(users) AS n
MATCH (i:Item) WHERE NOT EXISTS { (:Session)-->(i) }
WITH n, collect(i) AS items
FOREACH (i IN items | DETACH DELETE i)
WITH n, size(items) AS m
MATCH (e) WHERE e.entityId IS NOT NULL AND e.kind IS NOT NULL AND NOT EXISTS { (:User)-[:USED]->(e) }
WITH n, m, collect(e) AS entities
FOREACH (e IN entities | DETACH DELETE e)
RETURN n AS users, m AS items, size(entities) AS entities
