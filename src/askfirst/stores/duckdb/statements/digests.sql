-- For each hour since 1970-01-01 UTC: how many events of a tool, and what tells them from others.
SELECT timestamp // 3600000 AS hour, count(*), bit_xor(timestamp), bit_xor(id_low)
FROM events WHERE tool = (SELECT key FROM tools WHERE name = $tool)
GROUP BY hour ORDER BY hour
