// One ingest for every digest: two processes that add the same log meet here.
CREATE CONSTRAINT graphdet_ingest IF NOT EXISTS FOR (n:Ingest) REQUIRE n.digest IS UNIQUE
