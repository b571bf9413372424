// Nobody is a suspect, some thousand at a time.
MATCH (u:Suspect) WITH u LIMIT $size
REMOVE u:Suspect
RETURN count(u) AS n
