// One entry of the audit log; a verdict is a :Verdict too.
CREATE (e:AuditEntry)
SET e = $row
FOREACH (_ IN CASE WHEN $row.what = 'verdict' THEN [1] ELSE [] END | SET e:Verdict)
RETURN 1 AS n
