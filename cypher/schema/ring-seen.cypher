// What a ring was in a run, once.
CREATE CONSTRAINT graphdet_ring_seen IF NOT EXISTS FOR (n:RingSeen) REQUIRE (n.ringId, n.run) IS UNIQUE
