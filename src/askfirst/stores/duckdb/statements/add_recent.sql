INSERT INTO recent
SELECT
    tool, arrived, timestamp, id_rest, id_low, installation, application, environment, version, command,
    context
FROM batch
