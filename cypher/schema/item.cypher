// An item is found by its id.
CREATE CONSTRAINT graphdet_item IF NOT EXISTS FOR (n:Item) REQUIRE n.itemId IS UNIQUE
