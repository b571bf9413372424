// Shared entities that only these users have used.
MATCH (u:User)-[r:USED]->(e) WHERE u.userId IN $ids
WITH e, count(r) AS links
WITH e, links, EXISTS { MATCH (o:User)-[:USED]->(e) WHERE NOT o.userId IN $ids } AS shared
FOREACH (_ IN CASE WHEN shared THEN [] ELSE [1] END | DETACH DELETE e)
RETURN coalesce(sum(links), 0) AS entities
