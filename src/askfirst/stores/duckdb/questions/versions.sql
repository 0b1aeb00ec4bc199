-- (version, ms UTC of its first event) up to $as_of.
SELECT versions.value, min(events.timestamp)
FROM events JOIN versions ON versions.key = events.version
WHERE events.tool = (SELECT key FROM tools WHERE name = $tool)
  AND events.timestamp < ($as_of + 1) * 86400000::BIGINT
GROUP BY versions.value
