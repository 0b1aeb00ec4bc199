-- (first, after, n): of the installations first seen in week `first`, n were active `after` weeks later.
-- Weeks are counted from the ISO week of 1970-01-01, which was a Thursday: a period has the last four
-- days of its first week, three whole ones, and the first three days of the next period's first.
SELECT first, after, sum(n)
FROM each_shard(
    SELECT first, week - first AS after, count() AS n
    FROM (
        SELECT
            groupUniqArrayArray(
                arrayMap(
                    nth -> period * 4 + nth,
                    arrayFilter(
                        (nth, mask) -> bitAnd(until, mask) <> 0,
                        [0, 1, 2, 3, 4],
                        [15, 2032, 260096, 33292288, 234881024]
                    )
                )
            ) AS weeks,
            arrayMin(weeks) AS first,
            arrayJoin(weeks) AS week
        FROM (
            SELECT
                installation,
                intDiv(timestamp, 2419200000) AS period,
                groupBitOr(
                    bitShiftLeft(toUInt32(1), toUInt8(modulo(intDiv(timestamp, 86400000), 28)))
                ) AS bits,
                -- of the last period, the days up to {as_of}
                if(
                    period = intDiv({as_of:Int32}, 28),
                    bitAnd(bits, bitShiftLeft(toUInt64(2), toUInt8(modulo({as_of:Int32}, 28))) - 1),
                    bits
                ) AS until
            FROM events
            WHERE tool = {tool:String}
              AND intDiv(timestamp, 2419200000) <= intDiv({as_of:Int32}, 28)
            GROUP BY installation, period
        )
        GROUP BY installation
    )
    GROUP BY first, after
)
GROUP BY first, after
ORDER BY first, after
