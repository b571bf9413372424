// Links to shared entities, packed by user and kind: first time, n, id.
MATCH (u:User)-[r:USED]->(e)
RETURN u.userId AS key, e.kind AS kind,
  collect(toString(r.firstAt.epochMillis) + ' ' + toString(r.n) + ' ' + e.entityId) AS packed
