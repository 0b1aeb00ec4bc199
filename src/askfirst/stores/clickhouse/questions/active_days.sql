-- (day, gap, n): on `day`, n installations were active whose next active day came `gap` days later;
-- a gap is 28 when it is longer, or when no day follows. From this all trailing windows can be summed.
SELECT day, gap, sum(n)
FROM each_shard(
    SELECT row.1 AS day, row.2 AS gap, count() AS n
    FROM (
        SELECT
            arraySort(groupUniqArray(intDiv(timestamp, 86400000))) AS days,
            arrayJoin(
                arrayMap(
                    (day, next) -> (day, if(next = 0, 28, least(next - day, 28))),
                    days,
                    arrayPushBack(arrayPopFront(days), 0)
                )
            ) AS row
        FROM events
        WHERE tool = {tool:String}
          AND timestamp >= {first:Int32} * 86400000
          AND timestamp < ({as_of:Int32} + 1) * 86400000
        GROUP BY installation
    )
    GROUP BY day, gap
)
GROUP BY day, gap
