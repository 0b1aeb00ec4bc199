-- The moment (ms UTC) of the last event that is sealed, or null.
SELECT max(last) FROM spans WHERE tool = (SELECT key FROM tools WHERE name = $tool)
