// Users and their sessions. Times wait beside the session until the whole ingest is in: a try that is
// killed must not change what the next one reads.
UNWIND $rows AS row
MERGE (u:User {userId: row.user_id})
MERGE (s:Session {sessionId: row.session_id})
SET s:Unsettled, s.newStartedAt = datetime({epochMillis: row.started_ms}),
  s.newEndedAt = datetime({epochMillis: row.ended_ms})
MERGE (u)-[:STARTED]->(s)
