-- 08 What changed since the last run: rings that are new, gone or changed, and those that are not
-- :param min_score => 0.0
WITH last AS (SELECT max(run) AS run FROM ring_history),
now AS (SELECT ring_history.* FROM ring_history JOIN last USING (run)),
old AS (SELECT ring_history.* FROM ring_history JOIN last ON ring_history.run = last.run - 1),
both_runs AS (
    SELECT
        coalesce(now.ring_id, old.ring_id) AS ring_id,
        CASE
            WHEN old.ring_id IS NULL THEN 'new'
            WHEN now.ring_id IS NULL THEN 'gone'
            WHEN now.n_joined > 0 OR now.n_left > 0 OR now.flagged <> old.flagged THEN 'changed'
            ELSE 'same'
        END AS change,
        old.n_users AS n_users_before,
        now.n_users AS n_users,
        now.n_joined AS n_joined,
        now.n_left AS n_left,
        old.flagged AS flagged_before,
        now.flagged AS flagged,
        coalesce(now.score, old.score) AS score,
        now.origin AS origin
    FROM now
    FULL JOIN old ON old.ring_id = now.ring_id
)
SELECT *
FROM both_runs
WHERE score >= $min_score
ORDER BY CASE change WHEN 'new' THEN 0 WHEN 'changed' THEN 1 WHEN 'gone' THEN 2 ELSE 3 END, score DESC, ring_id
LIMIT $limit
