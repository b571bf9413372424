// Interactions of one action. TYPE_ is filled in, escaped; $action is null when the type alone says it.
UNWIND $rows AS row
MATCH (s:Session {sessionId: row.session_id})
MATCH (i:Item {itemId: row.item_id})
OPTIONAL MATCH (s)-[old:TYPE_]->(i) WHERE coalesce(old.action, '') = coalesce($action, '')
FOREACH (_ IN CASE WHEN old IS NULL THEN [1] ELSE [] END |
  CREATE (s)-[:TYPE_ {at: datetime({epochMillis: row.at_ms}), n: row.n, amount: row.amount,
    quantity: row.quantity, action: $action}]->(i))
FOREACH (r IN CASE WHEN old IS NULL THEN [] ELSE [old] END |
  SET r.at = CASE WHEN r.at.epochMillis <= row.at_ms THEN r.at ELSE datetime({epochMillis: row.at_ms}) END,
    r.n = r.n + row.n,
    r.amount = CASE WHEN r.amount IS NULL THEN row.amount ELSE r.amount + coalesce(row.amount, 0.0) END,
    r.quantity = CASE WHEN r.quantity IS NULL THEN row.quantity
      ELSE r.quantity + coalesce(row.quantity, 0.0) END)
