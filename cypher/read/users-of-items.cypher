// Who acted on some items.
UNWIND $ids AS id
MATCH (:Item {itemId: id})<-[r]-(:Session)<-[:STARTED]-(u:User)
WHERE ($since IS NULL OR r.at.epochMillis >= $since) AND ($until IS NULL OR r.at.epochMillis < $until)
RETURN DISTINCT u.userId AS id
