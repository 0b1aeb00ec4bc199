-- The key of a tool.
SELECT key FROM tools WHERE name = $tool
