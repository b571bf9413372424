// A verdict that was given in Neo4j Browser becomes an entry of the audit log, unless it is one already.
MATCH (v:Verdict) WHERE elementId(v) = $key AND NOT v:AuditEntry
SET v:AuditEntry, v = $row
RETURN count(v) AS n
