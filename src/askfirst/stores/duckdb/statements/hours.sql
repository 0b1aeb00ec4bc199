-- (hour since 1970-01-01 UTC, events): where the events of a tool lie in time.
SELECT timestamp // 3600000 AS hour, count(*)
FROM events WHERE tool = (SELECT key FROM tools WHERE name = $tool)
GROUP BY hour ORDER BY hour
