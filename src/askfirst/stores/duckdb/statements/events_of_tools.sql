-- (tool, events whose ids are kept).
SELECT tool, count(id_low) FROM events GROUP BY tool ORDER BY tool
