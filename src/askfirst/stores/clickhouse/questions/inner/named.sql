(
    -- what the installations named on which of the trailing 28 days, in the very words of what
    -- migration 0003 sums up
    SELECT
        installation,
        {columns},
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
      AND {known}
    GROUP BY installation, {keys}, period
    HAVING days <> 0
)
