-- (first, after, n): of the installations first seen in week `first`, n were active `after` weeks later.
-- Weeks are counted from the ISO week of 1970-01-01, which was a Thursday.
SELECT first, after, sum(n)
FROM each_shard(
    SELECT first, week - first AS after, count() AS n
    FROM (
        SELECT
            groupUniqArray(intDiv(intDiv(timestamp, 86400000) + 3, 7)) AS weeks,
            arrayMin(weeks) AS first,
            arrayJoin(weeks) AS week
        FROM events
        WHERE tool = {tool:String} AND timestamp < ({as_of:Int32} + 1) * 86400000
        GROUP BY installation
    )
    GROUP BY first, after
)
GROUP BY first, after
ORDER BY first, after
