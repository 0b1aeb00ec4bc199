-- Takes out what no event refers to any more; blanked first, as in erase.sql. DISTINCT, because
-- otherwise all events are held in memory.
CREATE TEMP TABLE unsaid AS
(
    SELECT installation, field, key FROM sayings WHERE field = 'application'
    EXCEPT SELECT DISTINCT installation, 'application', application FROM events
) UNION ALL (
    SELECT installation, field, key FROM sayings WHERE field = 'environment'
    EXCEPT SELECT DISTINCT installation, 'environment', environment FROM events
) UNION ALL (
    SELECT installation, field, key FROM sayings WHERE field = 'context'
      AND key NOT IN (SELECT DISTINCT context FROM events WHERE context IS NOT NULL)
);
CREATE TEMP TABLE gone AS
SELECT key FROM installations WHERE key NOT IN (SELECT DISTINCT installation FROM events);
UPDATE sayings SET value = '' FROM unsaid
WHERE sayings.installation = unsaid.installation AND sayings.field = unsaid.field
  AND sayings.key = unsaid.key;
DELETE FROM sayings USING unsaid
WHERE sayings.installation = unsaid.installation AND sayings.field = unsaid.field
  AND sayings.key = unsaid.key;
UPDATE installations SET hash = ''::BLOB WHERE key IN (SELECT key FROM gone);
DELETE FROM installations WHERE key IN (SELECT key FROM gone);
DELETE FROM versions WHERE key NOT IN (SELECT DISTINCT version FROM events);
DELETE FROM commands WHERE key NOT IN (SELECT DISTINCT command FROM events);
DROP TABLE unsaid;
DROP TABLE gone
