// What a log became, some thousand nodes at a time; no other node has such a label or both keys of an entity.
MATCH (n)
WHERE n:User OR n:Session OR n:Item OR (n.entityId IS NOT NULL AND n.kind IS NOT NULL)
WITH n LIMIT $size
DETACH DELETE n
RETURN count(n) AS n
