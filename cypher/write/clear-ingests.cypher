// The last traces of a log that is gone.
MATCH (n) WHERE n:Ingest OR n:Meta
DETACH DELETE n
