// Who is in which ring.
UNWIND $rows AS row
MATCH (r:Ring {ringId: row.ring_id})
MATCH (u:User {userId: row.user_id})
CREATE (u)-[:MEMBER_OF {score: row.score}]->(r)
RETURN count(u) AS n
