// 18 Give a verdict on a ring; graphdet notes it in the audit log the next time it writes
// :params {ring_id: 'R0001', verdict: 'innocent', reason: 'fan-club', note: '', who: 'Ann'}
MATCH (r:Ring {ringId: $ring_id})
WHERE $verdict IN ['guilty', 'innocent', 'unsure']
CREATE (v:Verdict {kind: 'ring', subject: r.ringId, verdict: $verdict, reason: $reason, note: $note, who: $who,
  at: toString(datetime({epochMillis: timestamp()}))})
RETURN v.subject AS ring_id, v.verdict AS verdict, v.reason AS reason, v.note AS note, v.who AS who, v.at AS at
LIMIT 1
