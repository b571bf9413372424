// 11 Rings, most suspicious first
// :param min_score => 0.0
MATCH (r:Ring)
WHERE r.score >= $min_score
RETURN r.ringId AS ring_id, coalesce(r.kind, 'ring') AS kind, r.nUsers AS n_users, r.nItems AS n_items, r.score AS score, r.pValue AS p_value,
  r.qValue AS q_value, r.flagged AS flagged, r.reason AS reason
ORDER BY score DESC, ring_id
LIMIT 100
