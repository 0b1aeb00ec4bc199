INSERT INTO askfirst_fresh.forgotten SELECT tool, installation, before, false FROM forgotten
