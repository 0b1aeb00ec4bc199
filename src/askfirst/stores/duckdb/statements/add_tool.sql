INSERT INTO tools VALUES ($key, $name)
