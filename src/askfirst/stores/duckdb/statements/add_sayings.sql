INSERT INTO sayings SELECT key, installation, field, value FROM added
