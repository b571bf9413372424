-- 09 Verdicts so far, the latest first
-- :param since => '1970-01-01T00:00:00Z'
SELECT kind, subject, verdict, reason, note, who, "at"
FROM audit
WHERE what = 'verdict' AND "at" >= $since
ORDER BY "at" DESC, seq DESC
LIMIT $limit
