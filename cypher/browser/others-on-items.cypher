// 04 Who else touched these items in that window: not members; rarest items first, up to max_acts acts on them
// :param ring_id => 'R0001'
// :param margin_h => 0.0
// :param max_acts => 20000
MATCH (ring:Ring {ringId: $ring_id})-[:TARGETS]->(i:Item)
WITH ring, i, COUNT { (i)<--() } - COUNT { (i)<-[:TARGETS]-() } AS n_acts
ORDER BY n_acts, i.itemId
WITH ring, collect({item: i, n_acts: n_acts}) AS rarest_first
WITH ring, duration({milliseconds: toInteger($margin_h * 3600000)}) AS margin,
  COLLECT { MATCH (member:User)-[:MEMBER_OF]->(ring) RETURN member } AS members,
  reduce(kept = {items: [], n_acts: 0}, next IN rarest_first |
    CASE WHEN kept.n_acts + next.n_acts <= $max_acts
      THEN {items: kept.items + next.item, n_acts: kept.n_acts + next.n_acts} ELSE kept END).items AS items
// Acts of a log without times are all at the moment 0, and its rings have no firstSeen.
WITH members, items, datetime(coalesce(ring.firstSeen, '1970-01-01T00:00:00Z')) - margin AS since,
  datetime(coalesce(ring.lastSeen, '1970-01-01T00:00:00Z')) + margin AS until
UNWIND items AS i
MATCH (i)<-[r]-(s:Session)
WHERE since <= r.at AND r.at <= until
MATCH (s)<-[:STARTED]-(u:User)
WITH members, u, count(DISTINCT i) AS n_items, sum(r.n) AS n_acts, min(r.at) AS first_at, max(r.at) AS last_at
WHERE NOT u IN members
RETURN u.userId AS user_id, n_items, n_acts, first_at, last_at, u.score AS score, u.ringId AS ring_id
ORDER BY n_items DESC, n_acts DESC, user_id
LIMIT 100
