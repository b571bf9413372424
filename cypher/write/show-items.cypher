// What Neo4j Browser shows of items: a name, and the band of the loudest ring that pushes it.
MATCH (i:Item)
WITH i, coalesce(i.name, i.itemId) AS name, [(r:Ring)-[:TARGETS]->(i) | r.riskBand] AS bands
WITH i, name, CASE WHEN 'high' IN bands THEN 'high' WHEN 'medium' IN bands THEN 'medium'
  WHEN 'low' IN bands THEN 'low' ELSE 'none' END AS band
WHERE i.displayName IS NULL OR i.displayName <> name OR i.riskBand IS NULL OR i.riskBand <> band
CALL {
  WITH i, name, band
  SET i.displayName = name, i.riskBand = band
} IN TRANSACTIONS OF $size ROWS
