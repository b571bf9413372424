// All interactions, packed: one row for each user, relationship type and action, and in it one text for each
// relationship: TIME:LENGTH or TIME:LENGTH:N:AMOUNT:QUANTITY, a blank, session id, item id; LENGTH is that of the
// session id. A text is one value to decode where seven would be seven, and the subquery lets rows flow instead of
// gathering them all first.
MATCH (u:User)
CALL {
  WITH u
  MATCH (u)-[:STARTED]->(s:Session)-[r]->(i:Item)
  WHERE ($since IS NULL OR r.at.epochMillis >= $since) AND ($until IS NULL OR r.at.epochMillis < $until)
  RETURN type(r) AS type, r.action AS action, collect(
    toString(r.at.epochMillis) + ':' + toString(size(s.sessionId))
    + CASE WHEN r.n = 1 AND r.amount IS NULL AND r.quantity IS NULL THEN ' '
      ELSE ':' + toString(r.n) + ':' + coalesce(toString(r.amount), '') + ':'
        + coalesce(toString(r.quantity), '') + ' ' END
    + s.sessionId + i.itemId
  ) AS packed
}
RETURN u.userId AS key, type, action, packed
