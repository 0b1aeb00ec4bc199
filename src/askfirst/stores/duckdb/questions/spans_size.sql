-- (last moment that is summed up, lowest key, highest key): of the installations of a tool.
SELECT
    (SELECT max(last) FROM spans WHERE tool = $key), coalesce(min(key), 0), coalesce(max(key), 0)
FROM installations WHERE tool = $key
