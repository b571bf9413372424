// Ingests that were begun and not ended.
MATCH (g:Ingest) WHERE g.complete = false
RETURN g.digest AS digest, g.files AS files
