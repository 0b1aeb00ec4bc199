-- What was summed up of the day and the month in which $before falls is summed up anew.
DELETE FROM sealed WHERE tool = $tool AND timestamp < $before;
DELETE FROM recent WHERE tool = $tool AND timestamp < $before;
DELETE FROM days WHERE tool = $tool AND day <= $before // 86400000;
INSERT INTO days
SELECT
    tool, (timestamp // 86400000)::INTEGER AS day, installation >> 14 AS chunk,
    bitstring_agg(installation & 16383, 0, 16383)
FROM sealed
WHERE tool = $tool AND timestamp < ($before // 86400000 + 1) * 86400000
GROUP BY ALL;
DELETE FROM spans WHERE tool = $tool AND month <= $before // 2419200000;
INSERT INTO spans
SELECT
    tool, (timestamp // 2419200000)::INTEGER AS month, installation, version,
    min(timestamp), max(timestamp)
FROM sealed
WHERE tool = $tool AND timestamp < ($before // 2419200000 + 1) * 2419200000
GROUP BY ALL
