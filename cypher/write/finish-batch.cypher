// In the same transaction as the batch itself: both are there, or neither.
MATCH (g:Ingest {digest: $digest})
SET g.batch = $batch
