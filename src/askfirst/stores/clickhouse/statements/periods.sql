-- The four-week periods that a tool has events in: the partitions of `events`.
SELECT DISTINCT intDiv(timestamp, 2419200000) AS period
FROM events WHERE tool = {tool:String} ORDER BY period
