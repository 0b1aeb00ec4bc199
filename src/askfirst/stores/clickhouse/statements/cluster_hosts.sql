SELECT shard_num, host_name FROM system.clusters WHERE cluster = {cluster:String}
ORDER BY shard_num, replica_num
