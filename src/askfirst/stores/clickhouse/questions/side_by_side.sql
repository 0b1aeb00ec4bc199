-- Installations with two or more applications on one same day of the trailing 28.
SELECT sum(n)
FROM each_shard(
    SELECT uniqExact(installation) AS n
    FROM (
        SELECT installation
        FROM events
        WHERE tool = {tool:String}
          AND timestamp >= ({as_of:Int32} - 27) * 86400000
          AND timestamp < ({as_of:Int32} + 1) * 86400000
          AND application IS NOT NULL
        GROUP BY installation, intDiv(timestamp, 86400000)
        HAVING min(application) <> max(application)
    )
)
