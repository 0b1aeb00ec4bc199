-- (command, version, events, installations, regular) in the trailing 28 days; a row whose version
-- is null sums up its command. Regular: active on 4 or more different days of the 28.
-- The one question that counts events, and so the one that reads with FINAL.
SELECT command, nullIf(version, '') AS version, sum(events), sum(installations), sum(regular)
FROM each_shard(
    SELECT
        used.1 AS command,
        used.2 AS version,
        sum(used.3) AS events,
        count() AS installations,
        countIf(is_regular) AS regular
    FROM (
        SELECT
            bitCount(groupBitOr(bits)) >= 4 AS is_regular,
            groupArray((command, version, n)) AS pairs,
            -- a row for each version of a command, and one with '' for the command
            arrayJoin(
                arrayConcat(
                    pairs,
                    arrayMap(
                        name -> (name, '', arraySum(pair -> if(pair.1 = name, pair.3, 0), pairs)),
                        arrayDistinct(pairs.1)
                    )
                )
            ) AS used
        FROM (
            SELECT
                installation,
                toString(command) AS command,
                toString(version) AS version,
                count() AS n,
                groupBitOr(
                    bitShiftLeft(toUInt64(1), toUInt8({as_of:Int32} - intDiv(timestamp, 86400000)))
                ) AS bits
            FROM events FINAL
            WHERE tool = {tool:String}
              AND timestamp >= ({as_of:Int32} - 27) * 86400000
              AND timestamp < ({as_of:Int32} + 1) * 86400000
            GROUP BY installation, command, version
        )
        GROUP BY installation
    )
    GROUP BY command, version
)
GROUP BY command, version
ORDER BY command, version
