-- Every event of a tool in a stretch of time, in order, with texts and hashes in the place of keys.
SELECT
    events.id_rest, events.id_low, events.timestamp, installations.hash, versions.value AS version,
    commands.value AS command, application.value AS application, environment.value AS environment,
    context.value AS context
FROM events
JOIN installations ON installations.key = events.installation
JOIN versions ON versions.key = events.version
JOIN commands ON commands.key = events.command
LEFT JOIN sayings AS application
    ON application.installation = events.installation AND application.key = events.application
    AND application.field = 'application'
LEFT JOIN sayings AS environment
    ON environment.installation = events.installation AND environment.key = events.environment
    AND environment.field = 'environment'
LEFT JOIN sayings AS context ON context.key = events.context AND context.field = 'context'
WHERE events.tool = (SELECT key FROM tools WHERE name = $tool)
  AND events.timestamp >= $low AND events.timestamp < $high
ORDER BY events.timestamp, events.id_rest, events.id_low, installations.hash
