// 15 Counts: how much of everything there is
CALL {
  MATCH (x:User) WITH count(x) AS n RETURN 'users' AS what, n
  UNION ALL MATCH (x:Item) WITH count(x) AS n RETURN 'items' AS what, n
  UNION ALL MATCH (x:Session) WITH count(x) AS n RETURN 'sessions' AS what, n
  UNION ALL MATCH (:Session)-[x]->() WITH count(x) AS n RETURN 'interactions' AS what, n
  UNION ALL MATCH (:User)-[:USED]->(x) WITH count(DISTINCT x) AS n RETURN 'entities' AS what, n
  UNION ALL MATCH (x:Ring) WITH count(x) AS n RETURN 'rings' AS what, n
  UNION ALL MATCH (x:Suspect) WITH count(x) AS n RETURN 'suspects' AS what, n
}
RETURN what, n
LIMIT 100
