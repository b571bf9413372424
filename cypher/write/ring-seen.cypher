// What rings are in this run.
UNWIND $rows AS row
CREATE (s:RingSeen)
SET s = row
