DELETE FROM events WHERE tool = $tool AND timestamp < $before
