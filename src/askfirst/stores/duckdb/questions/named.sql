-- (what, key, value): what the keys of a tool's commands and versions stand for.
SELECT 'command', key, value FROM commands WHERE tool = $key
UNION ALL
SELECT 'version', key, value FROM versions WHERE tool = $key
