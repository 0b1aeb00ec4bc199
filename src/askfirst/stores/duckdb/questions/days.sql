-- (sealed, chunk, day, bits) of some chunks; what is not sealed yet comes in rows of its own.
SELECT 1::TINYINT AS sealed, chunk, day, bits::BLOB AS bits
FROM days
WHERE tool = $key AND chunk BETWEEN $low AND $high
UNION ALL
SELECT
    0::TINYINT AS sealed, installation >> 14 AS chunk, (timestamp // 86400000)::INTEGER AS day,
    bitstring_agg(installation & 16383, 0, 16383)::BLOB AS bits
FROM recent
WHERE tool = $key
  AND installation BETWEEN $low << 14 AND ($high << 14) + 16383
GROUP BY ALL
