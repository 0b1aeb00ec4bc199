SELECT contracts.canonical FROM contracts JOIN tools ON tools.key = contracts.tool ORDER BY tools.name
