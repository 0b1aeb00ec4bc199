-- (command, version, events, installations, regular) in the trailing 28 days; a row whose version
-- is null sums up its command. Regular: active on 4 or more different days of the 28.
-- Grouped in two steps instead of with count(DISTINCT …), which DuckDB cannot spill.
WITH recent AS (
    SELECT
        installation,
        command,
        version,
        count(*) AS events,
        bit_or(1::BIGINT << ($as_of - timestamp // 86400000)) AS days
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp >= ($as_of - 27) * 86400000::BIGINT
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
    GROUP BY installation, command, version
),
regular AS (
    SELECT installation FROM recent GROUP BY installation HAVING bit_count(bit_or(days)) >= 4
),
-- a row for each installation and command, version null, and for each version of it
used AS (
    SELECT installation, command, version, events FROM recent
    UNION ALL
    SELECT installation, command, NULL, sum(events)::BIGINT FROM recent GROUP BY installation, command
),
counted AS (
    SELECT
        used.command,
        used.version,
        sum(used.events)::BIGINT AS events,
        count(*) AS installations,
        count(regular.installation) AS regular
    FROM used LEFT JOIN regular ON regular.installation = used.installation
    GROUP BY used.command, used.version
)
SELECT commands.value AS command, versions.value AS version, events, installations, regular
FROM counted
JOIN commands ON commands.key = counted.command
LEFT JOIN versions ON versions.key = counted.version
ORDER BY command, version
