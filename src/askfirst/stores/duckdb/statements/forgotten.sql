SELECT tool, installation, before, here, rowid FROM forgotten ORDER BY rowid
