// Top suspects: flagged users, most suspicious first
MATCH (u:Suspect)
RETURN u.userId AS user_id, u.score AS score, u.pValue AS p_value, u.ringId AS ring_id, u.reason AS reason
ORDER BY score DESC, user_id
LIMIT 100
