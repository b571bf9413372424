// The most suspicious first, without sorting all.
CREATE INDEX graphdet_suspect_score IF NOT EXISTS FOR (n:Suspect) ON (n.score)
