-- (first, after, n): of the installations first seen in week `first`, n were active `after` weeks later.
-- Weeks are counted from the ISO week of 1970-01-01, which was a Thursday.
WITH weeks AS (
    SELECT DISTINCT installation, (timestamp // 86400000 + 3) // 7 AS week
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
),
firsts AS (
    SELECT installation, min(week) AS first FROM weeks GROUP BY installation
)
SELECT firsts.first, weeks.week - firsts.first AS after, count(*) AS n
FROM weeks JOIN firsts USING (installation)
GROUP BY ALL
ORDER BY first, after
