// All small texts.
MATCH (m:Meta)
RETURN m.key AS key, m.value AS value
ORDER BY m.key
