// Items; a name stays until there is another.
UNWIND $rows AS row
MERGE (i:Item {itemId: row.item_id})
SET i.name = coalesce(row.name, i.name)
