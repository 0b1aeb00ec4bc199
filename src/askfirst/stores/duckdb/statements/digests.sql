-- For each hour since 1970-01-01 UTC: how many events of a tool, what tells them from others, and how many
-- have an id still.
SELECT timestamp // 3600000 AS hour, count(*), bit_xor(timestamp), coalesce(bit_xor(id_low), 0), count(id_low)
FROM events WHERE tool = (SELECT key FROM tools WHERE name = $tool)
GROUP BY hour ORDER BY hour
