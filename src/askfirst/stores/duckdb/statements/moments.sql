-- What tells the events of a tool in a stretch of time from others, in order of time.
SELECT events.id_rest, events.id_low, events.timestamp, installations.hash
FROM events
JOIN installations ON installations.key = events.installation
WHERE events.tool = (SELECT key FROM tools WHERE name = $tool)
  AND events.timestamp >= $low AND events.timestamp < $high
ORDER BY events.timestamp
