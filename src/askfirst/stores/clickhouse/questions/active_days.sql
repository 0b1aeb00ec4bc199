-- (day, gap, n): on `day`, n installations were active whose next active day came `gap` days later;
-- a gap is 28 when it is longer, or when no day follows. From this all trailing windows can be summed.
SELECT day, gap, sum(n)
FROM each_shard(
    SELECT row.1 AS day, row.2 AS gap, count() AS n
    FROM (
        SELECT
            arrayFilter(
                day -> day >= {first:Int32} AND day <= {as_of:Int32},
                arraySort(
                    groupArrayArray(
                        arrayMap(bit -> toInt32(period * 28 + bit), bitPositionsToArray(bits))
                    )
                )
            ) AS days,
            arrayJoin(
                arrayMap(
                    (day, next) -> (day, toUInt8(if(next = 0, 28, least(next - day, 28)))),
                    days,
                    arrayShiftLeft(days, 1)
                )
            ) AS row
        FROM (
            SELECT
                installation,
                intDiv(timestamp, 2419200000) AS period,
                groupBitOr(
                    bitShiftLeft(toUInt32(1), toUInt8(modulo(intDiv(timestamp, 86400000), 28)))
                ) AS bits
            FROM events
            WHERE tool = {tool:String}
              AND intDiv(timestamp, 2419200000) >= intDiv({first:Int32}, 28)
              AND intDiv(timestamp, 2419200000) <= intDiv({as_of:Int32}, 28)
            GROUP BY installation, period
        )
        GROUP BY installation
    )
    GROUP BY day, gap
)
GROUP BY day, gap
