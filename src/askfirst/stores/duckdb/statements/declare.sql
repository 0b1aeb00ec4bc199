INSERT OR REPLACE INTO contracts VALUES ($tool, $digest, $canonical)
