SELECT tool, number, size FROM runs
