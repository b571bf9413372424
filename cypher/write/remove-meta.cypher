// Forget the text under a key.
MATCH (m:Meta {key: $key})
DELETE m
