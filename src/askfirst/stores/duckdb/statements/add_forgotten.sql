INSERT INTO forgotten VALUES ($tool, $installation, $before, true)
