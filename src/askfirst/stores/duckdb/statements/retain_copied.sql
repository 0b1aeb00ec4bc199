DELETE FROM askfirst_fresh.sealed WHERE tool = $tool AND timestamp < $before
