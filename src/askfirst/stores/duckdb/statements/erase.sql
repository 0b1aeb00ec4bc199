-- Blanked before they are deleted: a deleted row alone stays readable in its block of the file for good,
-- an overwritten one only until its freed block is used again.
UPDATE installations SET hash = ''::BLOB WHERE key = $installation;
UPDATE sayings SET value = '' WHERE installation = $installation;
DELETE FROM events WHERE installation = $installation;
DELETE FROM sayings WHERE installation = $installation;
DELETE FROM installations WHERE key = $installation
