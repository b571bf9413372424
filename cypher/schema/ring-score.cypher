// Rings by score.
CREATE INDEX graphdet_ring_score IF NOT EXISTS FOR (n:Ring) ON (n.score)
