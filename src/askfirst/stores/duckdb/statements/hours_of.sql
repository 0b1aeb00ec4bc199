-- (hour since 1970-01-01 UTC, events): where the events of a tool, named by its key, lie in time.
SELECT timestamp // 3600000 AS hour, count(*)
FROM events WHERE tool = $tool GROUP BY hour ORDER BY hour
