// Who has a score, some hundred ids a row.
MATCH (u:User) WHERE u.score IS NOT NULL
RETURN u.userId AS id
