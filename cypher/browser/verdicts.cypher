// 09 Verdicts so far, the latest first
// :param since => '1970-01-01T00:00:00Z'
MATCH (v:Verdict)
WHERE coalesce(toString(v.at), $since) >= $since
RETURN v.kind AS kind, v.subject AS subject, v.verdict AS verdict, v.reason AS reason, v.note AS note,
  v.who AS who, toString(v.at) AS at
ORDER BY at DESC, v.seq DESC
LIMIT 100
