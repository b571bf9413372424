// Rings; a null is no property.
UNWIND $rows AS row
CREATE (r:Ring)
SET r = row, r.displayName = row.ringId
