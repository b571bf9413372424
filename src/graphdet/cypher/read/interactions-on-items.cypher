// Packed interactions on some items, by user; see interactions.
UNWIND $ids AS id
MATCH (i:Item {itemId: id})<-[r]-(s:Session)<-[:STARTED]-(u:User)
WHERE ($since IS NULL OR r.at.epochMillis >= $since) AND ($until IS NULL OR r.at.epochMillis < $until)
RETURN u.userId AS key, type(r) AS type, r.action AS action, collect(
  toString(r.at.epochMillis) + ' ' + toString(r.n) + ' ' + coalesce(toString(r.amount), '') + ' '
  + coalesce(toString(r.quantity), '') + ' ' + toString(size(s.sessionId)) + ' ' + s.sessionId + i.itemId
) AS packed
