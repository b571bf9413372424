// One entry at every place of the audit log: a chain cannot fork.
CREATE CONSTRAINT graphdet_audit_entry IF NOT EXISTS FOR (n:AuditEntry) REQUIRE n.seq IS UNIQUE
