// What some users acted on.
UNWIND $ids AS id
MATCH (:User {userId: id})-[:STARTED]->(:Session)-[r]->(i:Item)
WHERE ($since IS NULL OR r.at.epochMillis >= $since) AND ($until IS NULL OR r.at.epochMillis < $until)
RETURN DISTINCT i.itemId AS id
