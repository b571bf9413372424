// A ring is found by its id.
CREATE CONSTRAINT graphdet_ring IF NOT EXISTS FOR (n:Ring) REQUIRE n.ringId IS UNIQUE
