SELECT argMax(canonical, moment) FROM contracts GROUP BY tool ORDER BY tool
