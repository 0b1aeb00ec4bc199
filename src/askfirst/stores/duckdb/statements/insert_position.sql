INSERT INTO positions VALUES ($log, $segment, $byte_offset)
