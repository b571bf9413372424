// 01 Today's top suspects: flagged users of the last run, most suspicious first
// :param min_score => 0.0
MATCH (u:Suspect)
WHERE u.score >= $min_score
RETURN u.userId AS user_id, u.score AS score, u.pValue AS p_value, u.ringId AS ring_id, u.reason AS reason
ORDER BY score DESC, user_id
LIMIT 100
