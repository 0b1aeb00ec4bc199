-- (applications, installations): how many installations named how many in the trailing 28 days.
WITH named AS (
    SELECT count(DISTINCT application) AS applications
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp >= ($as_of - 27) * 86400000::BIGINT
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
      AND application IS NOT NULL
    GROUP BY installation
)
SELECT applications, count(*) FROM named GROUP BY applications ORDER BY applications
