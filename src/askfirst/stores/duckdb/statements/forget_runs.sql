DELETE FROM runs WHERE tool = $tool
