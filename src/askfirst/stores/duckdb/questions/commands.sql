-- (command, version, events, installations, regular) in the trailing 28 days; a row whose version
-- is null sums up its command. Regular: active on 4 or more different days of the 28.
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
)
SELECT
    commands.value AS command,
    versions.value AS version,
    sum(recent.events)::BIGINT AS events,
    count(DISTINCT recent.installation) AS installations,
    count(DISTINCT regular.installation) AS regular
FROM recent
JOIN commands ON commands.key = recent.command
JOIN versions ON versions.key = recent.version
LEFT JOIN regular ON regular.installation = recent.installation
GROUP BY GROUPING SETS ((commands.value), (commands.value, versions.value))
ORDER BY command, version
