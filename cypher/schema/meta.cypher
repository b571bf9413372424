// Small texts by key.
CREATE CONSTRAINT graphdet_meta IF NOT EXISTS FOR (n:Meta) REQUIRE n.key IS UNIQUE
