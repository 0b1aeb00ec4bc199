INSERT INTO versions SELECT key, tool, value FROM added WHERE field = 'version'
