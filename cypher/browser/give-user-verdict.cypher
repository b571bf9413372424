// 19 Give a verdict on a user; graphdet notes it in the audit log the next time it writes
// :params {user_id: 'ID', verdict: 'guilty', reason: 'fake-account', note: '', who: 'Ann'}
MATCH (u:User {userId: $user_id})
WHERE $verdict IN ['guilty', 'innocent', 'unsure']
CREATE (v:Verdict {kind: 'user', subject: u.userId, verdict: $verdict, reason: $reason, note: $note, who: $who,
  at: toString(datetime({epochMillis: timestamp()}))})
RETURN v.subject AS user_id, v.verdict AS verdict, v.reason AS reason, v.note AS note, v.who AS who, v.at AS at
LIMIT 1
