-- Installations with two or more applications on one same day of the trailing 28: added up, the days of
-- each application are more than the days of all.
SELECT sum(n)
FROM each_shard(
    SELECT count() AS n
    FROM (
        SELECT installation
        FROM (
            SELECT
                installation,
                sipHash128(application) AS name,
                intDiv(timestamp, 2419200000) AS period,
                -- days of the 28: those up to {as_of} of its period, the later ones of the period before
                bitAnd(
                    groupBitOr(
                        bitShiftLeft(toUInt32(1), toUInt8(modulo(intDiv(timestamp, 86400000), 28)))
                    ),
                    if(
                        period = intDiv({as_of:Int32}, 28),
                        bitShiftLeft(toUInt32(2), toUInt8(modulo({as_of:Int32}, 28))) - 1,
                        bitShiftLeft(toUInt32(4294967294), toUInt8(modulo({as_of:Int32}, 28)))
                    )
                ) AS days
            FROM events
            WHERE tool = {tool:String}
              AND intDiv(timestamp, 2419200000) >= intDiv({as_of:Int32}, 28) - 1
              AND intDiv(timestamp, 2419200000) <= intDiv({as_of:Int32}, 28)
              AND name IS NOT NULL
            GROUP BY installation, name, period
        )
        GROUP BY installation
        HAVING sum(bitCount(days)) > bitCount(groupBitOr(days))
    )
)
