-- 11 Rings, most suspicious first
-- :param min_score => 0.0
SELECT ring_id, kind, n_users, n_items, score, p_value, q_value, flagged, reason
FROM rings
WHERE score >= $min_score
ORDER BY score DESC, ring_id
LIMIT $limit
