INSERT INTO askfirst_fresh.events
FROM events
WHERE installation BETWEEN $low AND $high
ORDER BY installation, timestamp
