-- 01 Today's top suspects: flagged users of the last run, most suspicious first
-- :param min_score => 0.0
SELECT user_id, score, p_value, ring_id, reason
FROM scores
WHERE flagged AND score >= $min_score
ORDER BY score DESC, user_id
LIMIT $limit
