SELECT tool, number, size, crc FROM runs
