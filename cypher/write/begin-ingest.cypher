// Open an ingest, or find how far an earlier try came; only one may be open.
MERGE (g:Ingest {digest: $digest})
ON CREATE SET g.files = $files, g.nRows = $nRows, g.nRejects = $nRejects,
  g.complete = false, g.batch = 0, g.fingerprint = $fingerprint, g.startedAt = datetime()
WITH g
OPTIONAL MATCH (other:Ingest) WHERE other.complete = false AND other.digest <> g.digest
RETURN g.complete AS complete, g.batch AS batch, g.fingerprint AS fingerprint,
  g.settling IS NOT NULL AS settling, collect(other.files) AS others
