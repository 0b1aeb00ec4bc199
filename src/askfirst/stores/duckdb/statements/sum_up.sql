-- Adds what is in `batch` to `days` and `spans`. Rows of `days` that are there are written anew, so that
-- there is one for each day and chunk; `spans` gets rows more, which are put together later.
CREATE TEMP TABLE touched AS
SELECT
    tool, (timestamp // 86400000)::INTEGER AS day, installation >> 14 AS chunk,
    bitstring_agg(installation & 16383, 0, 16383) AS bits
FROM batch GROUP BY ALL;
INSERT INTO touched SELECT days.* FROM days SEMI JOIN touched USING (tool, day, chunk);
DELETE FROM days USING touched
WHERE days.tool = touched.tool AND days.day = touched.day AND days.chunk = touched.chunk;
INSERT INTO days SELECT tool, day, chunk, bit_or(bits) FROM touched GROUP BY ALL ORDER BY ALL;
DROP TABLE touched;
INSERT INTO spans
SELECT
    tool, (timestamp // 2419200000)::INTEGER AS month, installation, version,
    min(timestamp), max(timestamp)
FROM batch GROUP BY ALL ORDER BY month, installation
