-- (environments, installations): how many installations named how many in the trailing 28 days.
SELECT environments, sum(n)
FROM each_shard(
    SELECT environments, count() AS n
    FROM (
        SELECT uniqExact(environment_key) AS environments
        FROM named(environment)
        GROUP BY installation
    )
    GROUP BY environments
)
GROUP BY environments
ORDER BY environments
