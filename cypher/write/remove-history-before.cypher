// What rings were in runs before a time.
MATCH (s:RingSeen) WHERE s.at < $before
WITH collect(s) AS seen
FOREACH (s IN seen | DELETE s)
RETURN size(seen) AS history
