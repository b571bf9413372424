// What rings were in every run.
MATCH (s:RingSeen)
RETURN properties(s) AS seen
ORDER BY s.run, s.ringId
