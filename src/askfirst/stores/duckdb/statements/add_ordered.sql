INSERT INTO askfirst_fresh.sealed
FROM sealed
WHERE arrived BETWEEN $low AND $high
ORDER BY timestamp
