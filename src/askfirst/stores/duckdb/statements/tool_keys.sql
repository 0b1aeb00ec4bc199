SELECT name, key FROM tools
