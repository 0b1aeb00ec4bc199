-- Every event of a tool in order of time, with texts and hashes in the place of keys. No two equal
-- timestamps and ids, so the order is total.
SELECT
    events.id_high, events.id_low, events.timestamp, installations.hash, versions.value, commands.value,
    application.value, environment.value, context.value
FROM events
JOIN tools ON tools.key = events.tool
JOIN installations ON installations.key = events.installation
JOIN versions ON versions.key = events.version
JOIN commands ON commands.key = events.command
LEFT JOIN sayings AS application ON application.key = events.application
LEFT JOIN sayings AS environment ON environment.key = events.environment
LEFT JOIN sayings AS context ON context.key = events.context
WHERE tools.name = $tool
ORDER BY events.timestamp, events.id_high, events.id_low
