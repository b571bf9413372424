// The rings of an earlier run.
MATCH (r:Ring)
DETACH DELETE r
