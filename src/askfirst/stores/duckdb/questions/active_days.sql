-- (day, gap, n): on `day`, n installations were active whose next active day came `gap` days later;
-- a gap is 28 when it is longer, or when no day follows. From this all trailing windows can be summed.
WITH days AS (
    SELECT DISTINCT installation, timestamp // 86400000 AS day
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp >= $first * 86400000::BIGINT
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
),
gaps AS (
    SELECT day, lead(day) OVER (PARTITION BY installation ORDER BY day) - day AS gap FROM days
)
SELECT day, least(coalesce(gap, 28), 28) AS gap, count(*) AS n
FROM gaps
GROUP BY ALL
