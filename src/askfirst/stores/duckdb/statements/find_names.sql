SELECT 'version' AS field, tool, value, key FROM versions
UNION ALL
SELECT 'command', tool, value, key FROM commands
