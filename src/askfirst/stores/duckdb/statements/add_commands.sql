INSERT INTO commands SELECT key, tool, value FROM added
