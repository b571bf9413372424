// 08 What changed since the last run: rings that are new, gone or changed, and those that are not
// :param min_score => 0.0
MATCH (seen:RingSeen)
WHERE seen.run > 0
WITH seen.run AS run
ORDER BY run DESC
LIMIT 1
CALL {
  WITH run
  MATCH (now:RingSeen) WHERE now.run = run
  OPTIONAL MATCH (old:RingSeen {ringId: now.ringId, run: run - 1})
  RETURN now, old
  UNION ALL
  WITH run
  MATCH (old:RingSeen) WHERE old.run = run - 1
  OPTIONAL MATCH (now:RingSeen {ringId: old.ringId, run: run})
  WITH now, old WHERE now IS NULL
  RETURN now, old
}
WITH now, old, CASE
  WHEN old IS NULL THEN 'new'
  WHEN now IS NULL THEN 'gone'
  WHEN now.nJoined > 0 OR now.nLeft > 0 OR now.flagged <> old.flagged THEN 'changed'
  ELSE 'same' END AS change
WHERE coalesce(now.score, old.score) >= $min_score
RETURN coalesce(now.ringId, old.ringId) AS ring_id, change, old.nUsers AS n_users_before, now.nUsers AS n_users,
  now.nJoined AS n_joined, now.nLeft AS n_left, old.flagged AS flagged_before, now.flagged AS flagged,
  coalesce(now.score, old.score) AS score, now.origin AS origin
ORDER BY CASE change WHEN 'new' THEN 0 WHEN 'changed' THEN 1 WHEN 'gone' THEN 2 ELSE 3 END, score DESC, ring_id
LIMIT 100
