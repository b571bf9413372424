// Sessions of some users, with what was done in them.
MATCH (u:User)-[:STARTED]->(s:Session) WHERE u.userId IN $ids
WITH collect(DISTINCT s) AS sessions
WITH sessions, reduce(n = 0, s IN sessions | n + COUNT { (s)-->(:Item) }) AS acts
FOREACH (s IN sessions | DETACH DELETE s)
RETURN size(sessions) AS sessions, acts AS interactions
