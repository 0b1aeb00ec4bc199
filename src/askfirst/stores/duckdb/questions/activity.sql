-- One row: how many installations were active when, as seen from the day $as_of.
-- A bit for each of the 56 days back from $as_of, lowest first: one pass instead of distinct counts.
WITH people AS (
    SELECT
        min(timestamp // 86400000) AS first,
        bit_or(
            CASE
                WHEN $as_of - timestamp // 86400000 < 56
                THEN 1::BIGINT << ($as_of - timestamp // 86400000)
                ELSE 0
            END
        ) AS days
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
    GROUP BY installation
)
SELECT
    count(*) FILTER (days & 1 <> 0) AS daily,
    count(*) FILTER (days & 127 <> 0) AS weekly,
    count(*) FILTER (days & 268435455 <> 0) AS monthly,
    count(*) FILTER (bit_count(days & 268435455) >= 4) AS regular,
    count(*) FILTER (first > $as_of - 28) AS new,
    count(*) FILTER (days <> 0 AND days & 268435455 = 0) AS lost,
    min(first) AS first
FROM people
