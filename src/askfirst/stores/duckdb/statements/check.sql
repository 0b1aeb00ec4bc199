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
SELECT 'events that refer to an unknown value', count(*) FROM events
WHERE (application IS NOT NULL AND application NOT IN (SELECT key FROM sayings))
   OR (environment IS NOT NULL AND environment NOT IN (SELECT key FROM sayings))
   OR (context IS NOT NULL AND context NOT IN (SELECT key FROM sayings))
UNION ALL
SELECT 'installations without an event', count(*) FROM installations
WHERE key NOT IN (SELECT DISTINCT installation FROM events)
UNION ALL
SELECT 'values of an unknown installation', count(*) FROM sayings
WHERE installation <> 0 AND installation NOT IN (SELECT key FROM installations)
UNION ALL
SELECT 'events stored twice', coalesce(sum(times - 1), 0)
FROM (SELECT count(*) AS times FROM events GROUP BY tool, timestamp, id_high, id_low HAVING times > 1)
