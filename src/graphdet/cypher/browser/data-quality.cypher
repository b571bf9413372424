// 10 Data quality: what was read and rejected, how much of everything there is, what is not settled
// :param max_reject_share => 0.05
CALL {
  MATCH (g:Ingest) WHERE g.digest > ''
  UNWIND [['rows', g.nRows, null], ['rejected rows', g.nRejects, CASE g.nRows WHEN 0 THEN null ELSE 1.0 * g.nRejects / g.nRows END]] AS line
  RETURN CASE WHEN g.complete THEN line[0] ELSE 'not complete: ' + line[0] END AS what,
    reduce(all = '', file IN g.files | all + CASE all WHEN '' THEN '' ELSE ', ' END + file) AS source,
    line[1] AS n, line[2] AS value,
    CASE WHEN NOT g.complete THEN false WHEN line[0] = 'rows' THEN null ELSE line[2] <= $max_reject_share END AS ok
  UNION ALL
  MATCH (x:User) WITH count(x) AS n
  MATCH (:User)-[x:STARTED]->() WITH n, count(x) AS of
  RETURN 'users, sessions a user' AS what, null AS source, n, CASE n WHEN 0 THEN null ELSE 1.0 * of / n END AS value, null AS ok
  UNION ALL
  MATCH (x:Session) WITH count(x) AS n
  MATCH (:Session)-[x]->() WITH n, count(x) AS of
  RETURN 'sessions, interactions a session' AS what, null AS source, n, CASE n WHEN 0 THEN null ELSE 1.0 * of / n END AS value, null AS ok
  UNION ALL
  MATCH (x:Item) WITH count(x) AS n
  MATCH (:Session)-[x]->() WITH n, count(x) AS of
  RETURN 'items, interactions an item' AS what, null AS source, n, CASE n WHEN 0 THEN null ELSE 1.0 * of / n END AS value, null AS ok
  UNION ALL
  MATCH (x:Verdict) WHERE NOT x:AuditEntry
  WITH count(x) AS n
  RETURN 'verdicts not yet in the audit log' AS what, null AS source, n, null AS value, n = 0 AS ok
}
RETURN what, source, n, value, ok
ORDER BY source, what
LIMIT 100
