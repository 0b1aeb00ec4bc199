-- (applications, installations): how many installations named how many in the trailing 28 days.
SELECT applications, sum(n)
FROM each_shard(
    SELECT applications, count() AS n
    FROM (
        SELECT uniqExact(application) AS applications
        FROM events
        WHERE tool = {tool:String}
          AND timestamp >= ({as_of:Int32} - 27) * 86400000
          AND timestamp < ({as_of:Int32} + 1) * 86400000
          AND application IS NOT NULL
        GROUP BY installation
    )
    GROUP BY applications
)
GROUP BY applications
ORDER BY applications
