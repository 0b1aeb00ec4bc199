-- Installations with two or more applications on one same day of the trailing 28.
WITH days AS (
    SELECT installation
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp >= ($as_of - 27) * 86400000::BIGINT
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
      AND application IS NOT NULL
    GROUP BY installation, timestamp // 86400000
    HAVING min(application) <> max(application)
)
SELECT count(DISTINCT installation) FROM days
