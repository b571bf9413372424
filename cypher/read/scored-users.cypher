// Who has a score, packed into some hundred rows.
MATCH (u:User) WHERE u.score IS NOT NULL
WITH u.userId AS id, toInteger(rand() * 300) AS part
RETURN collect(id) AS ids
