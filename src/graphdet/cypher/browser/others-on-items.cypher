// 04 Who else touched these items in that window: not members, between the ring's first and last act
// :param ring_id => 'R0001'
// :param margin_h => 0.0
MATCH (ring:Ring {ringId: $ring_id})
WITH ring, duration({milliseconds: toInteger($margin_h * 3600000)}) AS margin,
  COLLECT { MATCH (member:User)-[:MEMBER_OF]->(ring) RETURN member } AS members
WITH ring, members, datetime(ring.firstSeen) - margin AS since, datetime(ring.lastSeen) + margin AS until
MATCH (ring)-[:TARGETS]->(i:Item)<-[r]-(s:Session)
WHERE since <= r.at AND r.at <= until
MATCH (s)<-[:STARTED]-(u:User)
WITH members, u, count(DISTINCT i) AS n_items, sum(r.n) AS n_acts, min(r.at) AS first_at, max(r.at) AS last_at
WHERE NOT u IN members
RETURN u.userId AS user_id, n_items, n_acts, first_at, last_at, u.score AS score, u.ringId AS ring_id
ORDER BY n_items DESC, n_acts DESC, user_id
LIMIT 100
