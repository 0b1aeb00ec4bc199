-- An installation is kept exactly as long as it has events, and there are far fewer of them.
SELECT name FROM tools
WHERE key IN (SELECT tool FROM installations) OR key IN (SELECT tool FROM contracts)
ORDER BY name
