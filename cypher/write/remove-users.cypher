// Users, of whom nothing else is left.
MATCH (u:User) WHERE u.userId IN $ids
WITH collect(u) AS users, count(u.score) AS scores
FOREACH (u IN users | DETACH DELETE u)
RETURN scores
