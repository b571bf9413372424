// The times that waited become those of the session.
MATCH (s:Unsettled) WITH s LIMIT $size
SET s.startedAt = CASE WHEN s.startedAt < s.newStartedAt THEN s.startedAt ELSE s.newStartedAt END,
  s.endedAt = CASE WHEN s.endedAt > s.newEndedAt THEN s.endedAt ELSE s.newEndedAt END
REMOVE s.newStartedAt, s.newEndedAt, s:Unsettled
RETURN count(s) AS n
