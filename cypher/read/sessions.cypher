// Sessions, packed by user: start, end, id. Those of an ingest that is not complete have no times yet.
MATCH (u:User)
CALL {
  WITH u
  MATCH (u)-[:STARTED]->(s:Session) WHERE s.startedAt IS NOT NULL
  RETURN collect(toString(s.startedAt.epochMillis) + ' ' + toString(s.endedAt.epochMillis) + ' ' + s.sessionId)
    AS packed
}
RETURN u.userId AS key, packed
