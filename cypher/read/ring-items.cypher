// Targets of rings.
MATCH (r:Ring)-[t:TARGETS]->(i:Item)
RETURN r.ringId AS ring_id, i.itemId AS item_id, t.nUsers AS n_users, t.lift AS lift
