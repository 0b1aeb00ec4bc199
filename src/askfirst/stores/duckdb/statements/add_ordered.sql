INSERT INTO askfirst_fresh.sealed
SELECT
    tool, arrived, timestamp, CASE WHEN arrived >= $needed THEN id_rest END,
    CASE WHEN arrived >= $needed THEN id_low END,
    installation, application, environment, version, command, context
FROM sealed
WHERE arrived BETWEEN $low AND $high
ORDER BY timestamp
