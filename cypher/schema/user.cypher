// A user is found by its id.
CREATE CONSTRAINT graphdet_user IF NOT EXISTS FOR (n:User) REQUIRE n.userId IS UNIQUE
