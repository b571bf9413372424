-- 03 A ring's timeline: what its members did to the items it pushes, in the order of time
-- :param ring_id => 'R0001'
SELECT
    member.user_id,
    any_value(member.score) AS score,
    event.item_id,
    event.action,
    strftime(make_timestamp_ms(min(event.at_ms)), '%Y-%m-%dT%H:%M:%S.%gZ') AS "at",
    count(*) AS n
FROM ring_members AS member
JOIN ring_items AS target ON target.ring_id = member.ring_id
JOIN events AS event ON event.user_id = member.user_id AND event.item_id = target.item_id
WHERE member.ring_id = $ring_id
GROUP BY member.user_id, event.session_id, event.item_id, event.action
ORDER BY "at", member.user_id, event.item_id, event.action, event.session_id
LIMIT $limit
