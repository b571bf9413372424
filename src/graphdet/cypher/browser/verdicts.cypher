// Verdicts so far, the latest first
MATCH (v:Verdict)
RETURN v.kind AS kind, v.subject AS subject, v.verdict AS verdict, v.reason AS reason, v.note AS note,
  v.who AS who, toString(v.at) AS at
ORDER BY at DESC, v.seq DESC
LIMIT 100
