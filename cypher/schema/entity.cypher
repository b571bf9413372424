// A shared entity is found by its id among those of its label. LABEL_ and NAME_ are filled in, escaped.
CREATE CONSTRAINT NAME_ IF NOT EXISTS FOR (n:LABEL_) REQUIRE (n.entityId, n.kind) IS UNIQUE
