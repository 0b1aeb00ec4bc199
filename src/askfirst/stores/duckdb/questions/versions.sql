-- (version, ms UTC of its first event) up to $as_of.
SELECT versions.value, min(seen.first)
FROM (
    SELECT version, first FROM spans WHERE tool = (SELECT key FROM tools WHERE name = $tool)
    UNION ALL
    SELECT version, timestamp FROM recent WHERE tool = (SELECT key FROM tools WHERE name = $tool)
) AS seen
JOIN versions ON versions.key = seen.version
WHERE seen.first < ($as_of + 1) * 86400000::BIGINT
GROUP BY versions.value
