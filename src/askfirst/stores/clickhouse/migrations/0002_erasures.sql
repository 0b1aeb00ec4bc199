-- Who was erased and when (ms UTC): what a log of another collector still holds of them is left out when
-- it is loaded. No log waits for longer than the 60 days after which this is forgotten too.
CREATE TABLE IF NOT EXISTS erasures (
    tool LowCardinality(String), installation FixedString(32), moment Int64
)
ENGINE = ReplacingMergeTree(moment)
ORDER BY (tool, installation)
TTL toDateTime(intDiv(moment, 1000)) + INTERVAL 60 DAY
SETTINGS
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 1,
    merge_with_ttl_timeout = 3600
