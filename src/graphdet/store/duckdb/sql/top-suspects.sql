-- Top suspects: flagged users, most suspicious first
SELECT user_id, score, p_value, ring_id, reason
FROM scores
WHERE flagged
ORDER BY score DESC, user_id
LIMIT $limit
