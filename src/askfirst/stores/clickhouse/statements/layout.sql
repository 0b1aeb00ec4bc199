-- One row: the cluster whose tables these are, '' if they are of this server alone; and whether each shard
-- has replicas.
SELECT
    anyIf(extract(engine_full, 'Distributed\\(''([^'']+)'''), name = 'events'),
    max(name = 'local_events' AND engine LIKE 'Replicated%')
FROM system.tables
WHERE database = {database:String}
