SELECT DISTINCT shard, host, port FROM hosts ORDER BY shard, host, port
