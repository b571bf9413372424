// The text of an entry of the audit log from now on, and its copies; a null is no property.
MATCH (e:AuditEntry {seq: $row.seq})
SET e = $row
RETURN 1 AS n
