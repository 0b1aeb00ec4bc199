-- The chunks of installations that days.sql has rows for.
SELECT DISTINCT chunk FROM days WHERE tool = (SELECT key FROM tools WHERE name = $tool)
UNION
SELECT DISTINCT installation >> 14 FROM recent WHERE tool = (SELECT key FROM tools WHERE name = $tool)
ORDER BY chunk
