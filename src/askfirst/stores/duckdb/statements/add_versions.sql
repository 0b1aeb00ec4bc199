INSERT INTO versions SELECT key, tool, value FROM added
