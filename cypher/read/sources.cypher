// Ingests that are complete, in their order.
MATCH (g:Ingest) WHERE g.complete
RETURN g.digest AS digest, g.files AS files, g.nRows AS n_rows, g.nRejects AS n_rejects
ORDER BY g.ix, g.digest
