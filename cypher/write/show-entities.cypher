// What Neo4j Browser shows of shared entities: kind and id, and a band by how many suspects used it.
MATCH (u:User)-[:USED]->(e)
WITH e, e.kind + ' ' + e.entityId AS name, count(DISTINCT CASE WHEN u:Suspect THEN u END) AS n
WITH e, name, CASE n WHEN 0 THEN 'none' WHEN 1 THEN 'medium' ELSE 'high' END AS band
WHERE e.displayName IS NULL OR e.displayName <> name OR e.riskBand IS NULL OR e.riskBand <> band
CALL {
  WITH e, name, band
  SET e.displayName = name, e.riskBand = band
} IN TRANSACTIONS OF $size ROWS
