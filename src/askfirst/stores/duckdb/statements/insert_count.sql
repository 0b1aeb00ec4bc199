INSERT INTO quality VALUES ($tool, $day, $kind, $n)
