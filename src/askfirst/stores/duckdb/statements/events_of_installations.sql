SELECT installation, count(*) FROM events GROUP BY installation ORDER BY installation
