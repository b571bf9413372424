// Shared entities: devices, addresses and the like that several suspects or members of flagged rings used
MATCH (u:User)-[:USED]->(e)
WHERE u:Suspect OR EXISTS { MATCH (u)-[:MEMBER_OF]->(:Ring {flagged: true}) }
WITH e, count(DISTINCT u) AS n_users
WHERE n_users > 1
RETURN e.kind AS kind, e.entityId AS entity_id, n_users
ORDER BY n_users DESC, kind, entity_id
LIMIT 100
