// Members of rings.
MATCH (u:User)-[m:MEMBER_OF]->(r:Ring)
RETURN r.ringId AS ring_id, u.userId AS user_id, m.score AS score
