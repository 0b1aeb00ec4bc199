-- (day of arrival, kind, n) up to $as_of.
SELECT day, kind, n
FROM quality
WHERE tool = (SELECT key FROM tools WHERE name = $tool) AND day <= $as_of
ORDER BY day, kind
