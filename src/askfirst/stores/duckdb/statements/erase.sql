-- Blanked before they are deleted: a deleted row alone stays readable in its block until the store is
-- scrubbed, an overwritten one only until its freed block is used again.
CREATE TEMP TABLE unsaid AS
SELECT DISTINCT context AS key FROM events WHERE installation = $installation AND context IS NOT NULL;
UPDATE installations SET hash = ''::BLOB WHERE key = $installation;
UPDATE sayings SET value = '' WHERE installation = $installation;
DELETE FROM sealed WHERE installation = $installation;
DELETE FROM recent WHERE installation = $installation;
DELETE FROM spans WHERE installation = $installation;
UPDATE days SET bits = set_bit(bits, $installation & 16383, 0)
WHERE chunk = $installation >> 14 AND get_bit(bits, $installation & 16383) = 1;
DELETE FROM days WHERE chunk = $installation >> 14 AND bit_count(bits) = 0;
DELETE FROM sayings WHERE installation = $installation;
DELETE FROM installations WHERE key = $installation;
-- what nobody in particular said, but nobody else does
DELETE FROM sayings
WHERE installation = 0
  AND key IN (SELECT key FROM unsaid)
  AND key NOT IN (SELECT DISTINCT context FROM events WHERE context IS NOT NULL);
DROP TABLE unsaid
