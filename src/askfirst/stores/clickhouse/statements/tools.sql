SELECT tool FROM (SELECT DISTINCT toString(tool) AS tool FROM events UNION DISTINCT SELECT tool FROM contracts)
ORDER BY tool
