-- How many rows are not as they must be, by what is wrong with them. Reads every block of the events,
-- and so has DuckDB compare the blocks' checksums.
SELECT 'events of an unknown tool', count(*) FROM events WHERE tool NOT IN (SELECT key FROM tools)
UNION ALL
SELECT 'events of an unknown installation', count(*) FROM events
WHERE installation NOT IN (SELECT key FROM installations)
UNION ALL
SELECT 'events of an unknown version', count(*) FROM events WHERE version NOT IN (SELECT key FROM versions)
UNION ALL
SELECT 'events of an unknown command', count(*) FROM events WHERE command NOT IN (SELECT key FROM commands)
UNION ALL
SELECT 'events that refer to an unknown application', count(*)
FROM events ANTI JOIN sayings
    ON sayings.installation = events.installation AND key = application AND field = 'application'
WHERE application IS NOT NULL
UNION ALL
SELECT 'events that refer to an unknown environment', count(*)
FROM events ANTI JOIN sayings
    ON sayings.installation = events.installation AND key = environment AND field = 'environment'
WHERE environment IS NOT NULL
UNION ALL
SELECT 'events that refer to an unknown context', count(*) FROM events
WHERE context IS NOT NULL AND context NOT IN (SELECT key FROM sayings WHERE field = 'context')
UNION ALL
SELECT 'installations without an event', count(*) FROM installations
WHERE key NOT IN (SELECT DISTINCT installation FROM events)
UNION ALL
SELECT 'values of an unknown installation', count(*) FROM sayings
WHERE installation <> 0 AND installation NOT IN (SELECT key FROM installations)
UNION ALL
SELECT 'events stored twice', coalesce(sum(times - 1), 0)
FROM (SELECT count(*) AS times FROM events WHERE id_low IS NOT NULL
    GROUP BY tool, timestamp, id_rest, id_low HAVING times > 1)
UNION ALL
SELECT 'days that are summed up wrongly', count(*)
FROM (
    SELECT
        tool, timestamp // 86400000 AS day, installation >> 14 AS chunk,
        bitstring_agg(installation & 16383, 0, 16383) AS bits
    FROM sealed GROUP BY ALL
) AS actual FULL JOIN days USING (tool, day, chunk)
WHERE actual.bits IS DISTINCT FROM days.bits
UNION ALL
SELECT 'spans that are summed up wrongly', count(*)
FROM (
    SELECT
        tool, timestamp // 2419200000 AS month, installation, version,
        min(timestamp) AS first, max(timestamp) AS last
    FROM sealed GROUP BY ALL
) AS actual FULL JOIN (
    SELECT tool, month, installation, version, min(first) AS first, max(last) AS last
    FROM spans GROUP BY ALL
) AS summed USING (tool, month, installation, version)
WHERE actual.first IS DISTINCT FROM summed.first OR actual.last IS DISTINCT FROM summed.last
