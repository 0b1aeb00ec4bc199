INSERT OR REPLACE INTO positions VALUES ($log, $segment, $byte_offset)
