SELECT tool, installation, before, here FROM forgotten
