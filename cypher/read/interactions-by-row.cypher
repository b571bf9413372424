// The same, one row for each relationship: slower, and what the packed read is tested against.
MATCH (u:User)-[:STARTED]->(s:Session)-[r]->(i:Item)
RETURN u.userId AS user_id, s.sessionId AS session_id, i.itemId AS item_id, type(r) AS type, r.action AS action,
  r.at.epochMillis AS at_ms, r.n AS n, r.amount AS amount, r.quantity AS quantity
