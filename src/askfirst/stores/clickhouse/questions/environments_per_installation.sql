-- (environments, installations): how many installations named how many in the trailing 28 days.
SELECT environments, sum(n)
FROM each_shard(
    SELECT environments, count() AS n
    FROM (
        SELECT uniqExact(environment) AS environments
        FROM events
        WHERE tool = {tool:String}
          AND timestamp >= ({as_of:Int32} - 27) * 86400000
          AND timestamp < ({as_of:Int32} + 1) * 86400000
          AND environment IS NOT NULL
        GROUP BY installation
    )
    GROUP BY environments
)
GROUP BY environments
ORDER BY environments
