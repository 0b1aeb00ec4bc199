SELECT sought.row, installations.key
FROM sought JOIN installations USING (tool, hash)
