// Sessions that ended before a time, with what was done in them.
MATCH (s:Session) WHERE s.endedAt < datetime({epochMillis: $before})
WITH collect(s) AS sessions
WITH sessions, reduce(n = 0, s IN sessions | n + COUNT { (s)-->(:Item) }) AS acts
FOREACH (s IN sessions | DETACH DELETE s)
RETURN size(sessions) AS sessions, acts AS interactions
