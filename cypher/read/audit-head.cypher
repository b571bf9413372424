// How many entries the audit log has, and the hash of the last.
MATCH (h:AuditHead {key: 'audit'})
RETURN h.count AS count, h.hash AS hash
