// What rings were in one run.
CREATE INDEX graphdet_ring_seen_run IF NOT EXISTS FOR (n:RingSeen) ON (n.run)
