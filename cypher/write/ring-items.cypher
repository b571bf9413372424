// What the rings push.
UNWIND $rows AS row
MATCH (r:Ring {ringId: row.ring_id})
MATCH (i:Item {itemId: row.item_id})
CREATE (r)-[:TARGETS {nUsers: row.n_users, lift: row.lift}]->(i)
RETURN count(i) AS n
