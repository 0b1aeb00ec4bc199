-- Every event of a tool in a stretch of time, in order, with texts and hashes in the place of keys. No
-- two have equal timestamps and ids, so the order is total.
SELECT
    events.id_rest, events.id_low, events.timestamp, installations.hash, versions.value AS version,
    commands.value AS command, application.value AS application, environment.value AS environment,
    context.value AS context
FROM events
JOIN installations ON installations.key = events.installation
JOIN versions ON versions.key = events.version
JOIN commands ON commands.key = events.command
LEFT JOIN sayings AS application ON application.key = events.application
LEFT JOIN sayings AS environment ON environment.key = events.environment
LEFT JOIN sayings AS context ON context.key = events.context
WHERE events.tool = (SELECT key FROM tools WHERE name = $tool)
  AND events.timestamp >= $low AND events.timestamp < $high
ORDER BY events.timestamp, events.id_rest, events.id_low
