// How many entries the audit log has.
MATCH (e:AuditEntry)
RETURN count(e) AS n
