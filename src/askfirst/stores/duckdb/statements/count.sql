SELECT count(*) FROM events WHERE tool = (SELECT key FROM tools WHERE name = $tool)
