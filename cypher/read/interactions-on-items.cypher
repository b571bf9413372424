// Packed interactions on some items, by user; see interactions.
UNWIND $ids AS id
MATCH (i:Item {itemId: id})<-[r]-(s:Session)<-[:STARTED]-(u:User)
WHERE ($since IS NULL OR r.at.epochMillis >= $since) AND ($until IS NULL OR r.at.epochMillis < $until)
RETURN u.userId AS key, type(r) AS type, r.action AS action, collect(
  toString(r.at.epochMillis) + ':' + toString(size(s.sessionId))
  + CASE WHEN r.n = 1 AND r.amount IS NULL AND r.quantity IS NULL THEN ' '
    ELSE ':' + toString(r.n) + ':' + coalesce(toString(r.amount), '') + ':'
      + coalesce(toString(r.quantity), '') + ' ' END
  + s.sessionId + i.itemId
) AS packed
