-- (installation, version, first, last) up to $as_of, of installations whose keys are in a range. What
-- is summed up serves for all months before $month; after it the events themselves.
SELECT installation, version, first, last
FROM spans
WHERE tool = $key AND month < $month AND installation BETWEEN $low AND $high
UNION ALL
SELECT installation, version, min(timestamp), max(timestamp)
FROM sealed
WHERE tool = $key
  AND timestamp >= $month * 2419200000::BIGINT
  AND timestamp < ($as_of + 1) * 86400000::BIGINT
  AND installation BETWEEN $low AND $high
GROUP BY installation, version
UNION ALL
SELECT installation, version, min(timestamp), max(timestamp)
FROM recent
WHERE tool = $key
  AND timestamp < ($as_of + 1) * 86400000::BIGINT
  AND installation BETWEEN $low AND $high
GROUP BY installation, version
