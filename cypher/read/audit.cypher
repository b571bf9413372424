// Entries of the audit log in their order.
MATCH (e:AuditEntry)
RETURN properties(e) AS entry
ORDER BY e.seq
