// A session is found by its id.
CREATE CONSTRAINT graphdet_session IF NOT EXISTS FOR (n:Session) REQUIRE n.sessionId IS UNIQUE
