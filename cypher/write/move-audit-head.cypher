// The log ends here now.
MATCH (h:AuditHead {key: 'audit'})
SET h.count = $count, h.hash = $hash, h.token = $token
REMOVE h.locked
