// The small text under a key.
MATCH (m:Meta {key: $key})
RETURN m.value AS value
