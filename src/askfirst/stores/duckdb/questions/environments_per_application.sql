-- (environments, applications): how many applications named how many in the trailing 28 days.
-- An application's key belongs to one installation, so it is (installation, application) in one.
WITH named AS (
    SELECT count(DISTINCT environment) AS environments
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp >= ($as_of - 27) * 86400000::BIGINT
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
      AND environment IS NOT NULL
      AND application IS NOT NULL
    GROUP BY application
)
SELECT environments, count(*) FROM named GROUP BY environments ORDER BY environments
