UPDATE positions SET segment = $segment, byte_offset = $byte_offset WHERE log = $log
