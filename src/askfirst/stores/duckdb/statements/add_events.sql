INSERT INTO events
SELECT
    tool, timestamp, id_high, id_low, installation, application, environment, version, command, context
FROM batch
