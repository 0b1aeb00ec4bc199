SELECT segment, byte_offset FROM positions WHERE log = $log
