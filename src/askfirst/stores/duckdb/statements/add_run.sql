INSERT INTO runs VALUES ($tool, $number, $size, $crc)
