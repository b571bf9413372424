// Keep a small text under a key.
MERGE (m:Meta {key: $key})
SET m.value = $value
