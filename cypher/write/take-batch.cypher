// Lock the ingest (the write does that), then say which batch is done; of a complete ingest all are.
MATCH (g:Ingest {digest: $digest})
SET g.touchedAt = datetime()
RETURN CASE WHEN g.complete OR g.settling THEN 9223372036854775807 ELSE g.batch END AS batch
