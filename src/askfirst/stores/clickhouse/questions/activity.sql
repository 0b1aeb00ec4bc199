-- One row: how many installations were active when, as seen from the day {as_of}.
-- A bit for each of the 56 days back from {as_of}, lowest first: one pass instead of distinct counts.
SELECT
    sum(daily), sum(weekly), sum(monthly), sum(regular), sum(new), sum(lost),
    min(first) AS first
FROM each_shard(
    SELECT
        countIf(bitAnd(days, 1) <> 0) AS daily,
        countIf(bitAnd(days, 127) <> 0) AS weekly,
        countIf(bitAnd(days, 268435455) <> 0) AS monthly,
        countIf(bitCount(bitAnd(days, 268435455)) >= 4) AS regular,
        countIf(first_day > {as_of:Int32} - 28) AS new,
        countIf(days <> 0 AND bitAnd(days, 268435455) = 0) AS lost,
        minOrNull(first_day) AS first
    FROM (
        SELECT
            intDiv(min(timestamp), 86400000) AS first_day,
            -- what is longer ago has bit 56
            bitAnd(
                groupBitOr(
                    bitShiftLeft(
                        toUInt64(1),
                        toUInt8(least({as_of:Int32} - intDiv(timestamp, 86400000), 56))
                    )
                ),
                72057594037927935
            ) AS days
        FROM events
        WHERE tool = {tool:String} AND timestamp < ({as_of:Int32} + 1) * 86400000
        GROUP BY installation
    )
)
