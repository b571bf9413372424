-- Verdicts so far, the latest first
SELECT kind, subject, verdict, reason, note, who, "at"
FROM audit
WHERE what = 'verdict'
ORDER BY "at" DESC, seq DESC
LIMIT $limit
