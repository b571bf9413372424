// Verdicts given in Neo4j Browser that are not in the audit log yet.
MATCH (v:Verdict) WHERE NOT v:AuditEntry
RETURN elementId(v) AS key, properties(v) AS said
ORDER BY toString(v.at), key
