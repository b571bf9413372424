// Lock the head of the audit log (the write does that), and say where the log ends; a head made here has no count yet.
MERGE (h:AuditHead {key: 'audit'})
SET h.locked = true
RETURN h.count AS count, h.hash AS hash, h.token AS token
