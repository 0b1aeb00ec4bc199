-- Where the tables of a cluster are: a row for each host, the same on every one of them.
CREATE TABLE IF NOT EXISTS hosts (shard UInt32, host String, port UInt16)
ENGINE = ReplacingMergeTree ORDER BY (shard, host, port)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
