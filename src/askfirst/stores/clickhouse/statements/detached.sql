SELECT table, count() FROM system.detached_parts
WHERE database = {database:String} AND reason IN ('broken', 'broken-on-start', 'unexpected', 'noquorum')
GROUP BY table ORDER BY table
