// One head of the audit log, where writers wait for each other.
CREATE CONSTRAINT graphdet_audit_head IF NOT EXISTS FOR (n:AuditHead) REQUIRE n.key IS UNIQUE
