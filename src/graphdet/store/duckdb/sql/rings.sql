-- Rings, most suspicious first
SELECT ring_id, n_users, n_items, score, p_value, q_value, flagged, reason
FROM rings
ORDER BY score DESC, ring_id
LIMIT $limit
