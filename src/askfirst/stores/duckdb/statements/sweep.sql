-- Takes out what no event refers to any more; blanked first, as in erase.sql. DISTINCT, because
-- otherwise all events are held in memory.
CREATE TEMP TABLE unsaid AS
SELECT key FROM sayings
WHERE key NOT IN (SELECT DISTINCT application FROM events WHERE application IS NOT NULL)
  AND key NOT IN (SELECT DISTINCT environment FROM events WHERE environment IS NOT NULL)
  AND key NOT IN (SELECT DISTINCT context FROM events WHERE context IS NOT NULL);
CREATE TEMP TABLE gone AS
SELECT key FROM installations WHERE key NOT IN (SELECT DISTINCT installation FROM events);
UPDATE sayings SET value = '' WHERE key IN (SELECT key FROM unsaid);
DELETE FROM sayings WHERE key IN (SELECT key FROM unsaid);
UPDATE installations SET hash = ''::BLOB WHERE key IN (SELECT key FROM gone);
DELETE FROM installations WHERE key IN (SELECT key FROM gone);
DELETE FROM versions WHERE key NOT IN (SELECT DISTINCT version FROM events);
DELETE FROM commands WHERE key NOT IN (SELECT DISTINCT command FROM events);
DROP TABLE unsaid;
DROP TABLE gone
