// 10 Data quality: what was read and rejected, how much of everything there is, what is not settled
// :param max_reject_share => 0.05
CALL { MATCH (x:User) RETURN count(x) AS users }
CALL { MATCH (x:Session) RETURN count(x) AS sessions }
CALL { MATCH (x:Item) RETURN count(x) AS items }
CALL { MATCH (:Session)-[x]->() RETURN count(x) AS acts }
CALL { MATCH (x:Verdict) WHERE NOT x:AuditEntry RETURN count(x) AS loose }
CALL {
  MATCH (g:Ingest) WHERE g.digest > ''
  WITH g, reduce(all = '', file IN g.files | all + CASE all WHEN '' THEN '' ELSE ', ' END + file) AS source,
    CASE WHEN g.nRows > 0 THEN 1.0 * g.nRejects / g.nRows END AS share,
    CASE WHEN g.complete THEN '' ELSE 'not complete: ' END AS state
  WITH collect([state + 'rows', source, g.nRows, null, CASE WHEN g.complete THEN null ELSE false END]) AS rows,
    collect([state + 'rejected rows', source, g.nRejects, share, g.complete AND share <= $max_reject_share]) AS rejects
  RETURN rows + rejects AS ingests
}
UNWIND ingests + [
  ['users, sessions a user', null, users, CASE WHEN users > 0 THEN 1.0 * sessions / users END, null],
  ['sessions, interactions a session', null, sessions, CASE WHEN sessions > 0 THEN 1.0 * acts / sessions END, null],
  ['items, interactions an item', null, items, CASE WHEN items > 0 THEN 1.0 * acts / items END, null],
  ['verdicts not yet in the audit log', null, loose, null, loose = 0]
] AS line
WITH line[0] AS what, line[1] AS source, line[2] AS n, line[3] AS value, line[4] AS ok
RETURN what, source, n, value, ok
ORDER BY source, what
LIMIT 100
