-- Leaves one row for each span.
CREATE TEMP TABLE whole AS
SELECT tool, month, installation, version, min(first) AS first, max(last) AS last
FROM spans GROUP BY ALL;
DELETE FROM spans;
INSERT INTO spans FROM whole ORDER BY tool, month, installation, version;
DROP TABLE whole
