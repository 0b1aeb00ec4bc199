-- Installations with two or more applications on one same day of the trailing 28: added up, the days of
-- each application are more than the days of all.
SELECT sum(n)
FROM each_shard(
    SELECT count() AS n
    FROM (
        SELECT installation
        FROM named(application)
        GROUP BY installation
        HAVING sum(bitCount(days)) > bitCount(groupBitOr(days))
    )
)
