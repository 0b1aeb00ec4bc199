-- (events, lowest key, highest key) of a tool in the trailing 28 days.
SELECT count(*), coalesce(min(installation), 0), coalesce(max(installation), 0)
FROM events
WHERE tool = $key
  AND timestamp >= ($as_of - 27) * 86400000::BIGINT
  AND timestamp < ($as_of + 1) * 86400000::BIGINT
