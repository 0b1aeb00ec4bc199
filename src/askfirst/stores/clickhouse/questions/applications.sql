-- (applications, installations): how many installations named how many in the trailing 28 days.
SELECT applications, sum(n)
FROM each_shard(
    SELECT applications, count() AS n
    FROM (
        SELECT uniqExact(application_key) AS applications
        FROM named(application)
        GROUP BY installation
    )
    GROUP BY applications
)
GROUP BY applications
ORDER BY applications
