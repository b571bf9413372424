// No ingest is complete any more, so that nobody reads a graph of which a part is gone.
MATCH (g:Ingest)
SET g.complete = false
