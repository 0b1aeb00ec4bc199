-- One row: how many installations were active when, as seen from the day {as_of}.
-- A bit for each of the 56 days up to {as_of}, which is the highest, bit 55. What was before the period
-- of the first of them is of interest only for having been there: it goes by as one.
SELECT
    sum(daily), sum(weekly), sum(monthly), sum(regular), sum(new), sum(lost),
    min(first) AS first
FROM each_shard(
    SELECT
        countIf(bitShiftRight(days, 55) <> 0) AS daily,
        countIf(bitShiftRight(days, 49) <> 0) AS weekly,
        countIf(bitShiftRight(days, 28) <> 0) AS monthly,
        countIf(bitCount(bitShiftRight(days, 28)) >= 4) AS regular,
        countIf(first_day > {as_of:Int32} - 28) AS new,
        countIf(days <> 0 AND bitShiftRight(days, 28) = 0) AS lost,
        minOrNull(first_day) AS first
    FROM (
        SELECT
            intDiv(min(first), 86400000) AS first_day,
            groupBitOr(
                bitAnd(
                    bitShiftRight(
                        bitShiftLeft(toUInt64(bits), toUInt8(greatest(ahead, 0))),
                        toUInt8(greatest(-ahead, 0))
                    ),
                    72057594037927935
                )
            ) AS days
        FROM (
            SELECT
                installation,
                greatest(intDiv(timestamp, 2419200000), intDiv({as_of:Int32}, 28) - 3) AS period,
                period * 28 + 55 - {as_of:Int32} AS ahead,
                min(timestamp) AS first,
                groupBitOr(
                    bitShiftLeft(toUInt32(1), toUInt8(modulo(intDiv(timestamp, 86400000), 28)))
                ) AS bits
            FROM events
            WHERE tool = {tool:String}
              AND intDiv(timestamp, 2419200000) <= intDiv({as_of:Int32}, 28)
            GROUP BY installation, period
        )
        GROUP BY installation
        HAVING first_day <= {as_of:Int32}
    )
)
