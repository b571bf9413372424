// All rows are in; from here on the log itself is not needed any more.
MATCH (g:Ingest {digest: $digest})
SET g.settling = true
