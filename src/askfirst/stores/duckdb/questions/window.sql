-- The events of a tool in the trailing 28 days, of installations whose keys are in a range; 0 for what
-- an event does not name. `day` counts from the first of the 28.
SELECT
    installation, coalesce(application, 0) AS application, coalesce(environment, 0) AS environment,
    version, command, (timestamp // 86400000 - ($as_of - 27))::INTEGER AS day
FROM events
WHERE tool = $key
  AND timestamp >= ($as_of - 27) * 86400000::BIGINT
  AND timestamp < ($as_of + 1) * 86400000::BIGINT
  AND installation BETWEEN $low AND $high
