-- The chunks of installations that days.sql has rows for.
SELECT DISTINCT chunk FROM days WHERE tool = $key
UNION
SELECT DISTINCT installation >> 14 FROM recent WHERE tool = $key
ORDER BY chunk
