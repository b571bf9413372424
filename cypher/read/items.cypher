// Items and their names.
MATCH (i:Item)
RETURN i.itemId AS item_id, i.name AS name
