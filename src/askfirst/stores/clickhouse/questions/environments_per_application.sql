-- (environments, applications): how many applications named how many in the trailing 28 days.
-- An application is one of one installation: a name that is no hash may occur at several.
SELECT environments, sum(n)
FROM each_shard(
    SELECT environments, count() AS n
    FROM (
        SELECT uniqExact(environment_key) AS environments
        FROM named(application, environment)
        GROUP BY installation, application_key
    )
    GROUP BY environments
)
GROUP BY environments
ORDER BY environments
