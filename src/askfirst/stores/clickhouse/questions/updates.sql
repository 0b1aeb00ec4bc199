-- (release, durations of those who updated, durations of those who have not), in ms, of the
-- installations at risk of updating to a release. The lists that come in have an entry for each
-- release: its version, the version's rank by precedence, and the instant of the release (ms UTC).
SELECT release, arrayFlatten(groupArray(updated)), arrayFlatten(groupArray(waiting))
FROM each_shard(
    SELECT
        entry.1 AS release,
        groupArrayIf(entry.2, entry.3) AS updated,
        groupArrayIf(entry.2, NOT entry.3) AS waiting
    FROM (
        SELECT
            -- (rank, first, last) of each version that the installation was on
            groupArray(
                ({ranks:Array(Int32)}[indexOf({versions:Array(String)}, version)], first, last)
            ) AS sights,
            arrayMax(sights.3) AS latest,
            arrayJoin(
                arrayMap(
                    (release, at, released) -> (
                        release - 1,
                        if(
                            arrayExists(sight -> sight.1 >= at, sights),
                            arrayMin(sight -> if(sight.1 >= at, sight.2, latest), sights),
                            latest
                        ) - released,
                        arrayExists(sight -> sight.1 >= at, sights),
                        -- on a lower version before the release, seen since, and not before it on
                        -- this version or a higher one
                        arrayExists(sight -> sight.1 < at AND sight.2 < released, sights)
                        AND latest >= released
                        AND NOT arrayExists(sight -> sight.1 >= at AND sight.2 < released, sights)
                    ),
                    arrayEnumerate({versions:Array(String)}),
                    {ranks:Array(Int32)},
                    {instants:Array(Int64)}
                )
            ) AS entry
        FROM (
            SELECT installation, toString(version) AS version, min(first) AS first, max(last) AS last
            FROM (
                -- of the periods that are over: what is summed up
                SELECT installation, version, min(timestamp) AS first, max(timestamp) AS last
                FROM events
                WHERE tool = {tool:String}
                  AND intDiv(timestamp, 2419200000) < intDiv({as_of:Int32} + 1, 28)
                  AND version IN ({versions:Array(String)})
                GROUP BY installation, version
                UNION ALL
                -- of the one that {as_of} is in: its events up to then
                SELECT installation, version, min(timestamp) AS first, max(timestamp) AS last
                FROM events
                WHERE tool = {tool:String}
                  AND intDiv(timestamp, 2419200000) = intDiv({as_of:Int32} + 1, 28)
                  AND timestamp < ({as_of:Int32} + 1) * 86400000
                  AND version IN ({versions:Array(String)})
                GROUP BY installation, version
            )
            GROUP BY installation, version
        )
        GROUP BY installation
    )
    WHERE entry.4
    GROUP BY release
)
GROUP BY release
