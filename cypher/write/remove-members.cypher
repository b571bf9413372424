// Users leave their rings; a ring without a member goes.
MATCH (u:User)-[m:MEMBER_OF]->(r:Ring) WHERE u.userId IN $ids
WITH r, count(m) AS gone, COUNT { (o:User)-[:MEMBER_OF]->(r) WHERE NOT o.userId IN $ids } AS left
SET r.nUsers = left
FOREACH (_ IN CASE WHEN left = 0 THEN [1] ELSE [] END | DETACH DELETE r)
RETURN coalesce(sum(gone), 0) AS memberships
