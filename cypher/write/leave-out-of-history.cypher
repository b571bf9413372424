// Users out of what rings were in every run, and items that are accounts.
MATCH (s:RingSeen)
WHERE any(x IN s.members WHERE x IN $ids) OR any(x IN s.items WHERE x IN $items)
SET s.members = [x IN s.members WHERE NOT x IN $ids], s.items = [x IN s.items WHERE NOT x IN $items]
RETURN count(s) AS history
