// The ingest is complete; `ix` keeps the order of ingests.
MATCH (g:Ingest {digest: $digest})
OPTIONAL MATCH (other:Ingest) WHERE other.complete
WITH g, count(other) AS ix
SET g.complete = true, g.ix = ix, g.endedAt = datetime()
REMOVE g.batch, g.settling, g.touchedAt, g.fingerprint
