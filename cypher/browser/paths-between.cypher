// 05 Paths between two suspects: a ring, an item or a device in common, or one account between them
// :param user_id => 'ID'
// :param other_id => 'ID'
// :param max_users => 100
MATCH (a:User {userId: $user_id})
MATCH (b:User {userId: $other_id})
CALL {
  WITH a, b
  MATCH drawing = (a)-[:MEMBER_OF]->(ring:Ring)<-[:MEMBER_OF]-(b)
  RETURN 1 AS steps, 'ring' AS kind, ring.ringId AS id, null AS user_between, null AS next_kind,
    null AS next_id, null AS at, null AS other_at, drawing
  UNION ALL
  WITH a, b
  MATCH drawing = (a)-[one:USED]->(e)<-[other:USED]-(b)
  RETURN 1 AS steps, e.kind AS kind, e.entityId AS id, null AS user_between, null AS next_kind,
    null AS next_id, one.firstAt AS at, other.firstAt AS other_at, drawing
  UNION ALL
  WITH a, b
  MATCH (a)-[:STARTED]->(:Session)-[r]->(i:Item)
  WITH a, b, i, min(r.at) AS at
  WITH a, b, collect(i) AS mine, collect(at) AS times
  MATCH (b)-[:STARTED]->(:Session)-[q]->(i:Item)
  WHERE i IN mine
  WITH a, b, i, mine, times, min(q.at) AS other_at
  WITH a, b, i, head([ix IN range(0, size(mine) - 1) WHERE mine[ix] = i | times[ix]]) AS at, other_at
  RETURN 1 AS steps, 'item' AS kind, i.itemId AS id, null AS user_between, null AS next_kind,
    null AS next_id, at, other_at, [a, i, b] AS drawing
  UNION ALL
  WITH a, b
  MATCH (a)-[:USED]->(e) WHERE COUNT { (e)<-[:USED]-() } <= $max_users
  MATCH (b)-[:USED]->(f) WHERE f <> e AND COUNT { (f)<-[:USED]-() } <= $max_users
  MATCH drawing = (e)<-[:USED]-(c:User)-[:USED]->(f)
  WHERE c <> a AND c <> b
  RETURN 2 AS steps, e.kind AS kind, e.entityId AS id, c.userId AS user_between, f.kind AS next_kind,
    f.entityId AS next_id, null AS at, null AS other_at, drawing
}
WITH *, abs(at.epochMillis - other_at.epochMillis) / 1000.0 AS gap_s
RETURN steps, kind, id, user_between, next_kind, next_id, at, other_at, gap_s, drawing
ORDER BY steps, gap_s, kind, id, user_between, next_kind, next_id
LIMIT 100
