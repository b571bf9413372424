// Links of users to shared entities of one kind. LABEL_ is filled in, escaped.
UNWIND $rows AS row
MERGE (u:User {userId: row.user_id})
MERGE (e:LABEL_ {entityId: row.entity_id, kind: $kind})
MERGE (u)-[r:USED]->(e)
ON CREATE SET r.firstAt = datetime({epochMillis: row.first_ms}), r.n = row.n
ON MATCH SET r.n = r.n + row.n,
  r.firstAt = CASE WHEN r.firstAt.epochMillis <= row.first_ms THEN r.firstAt
    ELSE datetime({epochMillis: row.first_ms}) END
