SELECT tool, count(*) FROM events GROUP BY tool ORDER BY tool
