INSERT INTO installations SELECT key, tool, hash FROM added
