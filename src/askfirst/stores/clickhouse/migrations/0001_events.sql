-- An installation's events lie side by side, so that its 32 bytes and the hashes it names cost next to
-- nothing, and grouping by installation reads in order. The key is what tells events apart: the engine
-- keeps one row of each when parts are merged, and a question that counts events reads with FINAL.
-- `timestamp` is ms UTC; the id is the two halves of the UUID, the first of which is mostly time in
-- version 7. `context` is the JSON of all other fields, '' if there are none. `origin` is the load
-- that brought the row (see loading.py).
-- A part is four weeks of one tool: retention drops parts, and what two loads bring of one event is
-- in the same partition. The projection finds the events of a moment, for the check of what is there
-- already. An acknowledged block and what merges make of it are on disk for certain, so that replaced
-- parts may go within seconds, and with them what was erased.
CREATE TABLE IF NOT EXISTS events (
    tool LowCardinality(String),
    installation FixedString(32) CODEC(ZSTD(1)),
    timestamp Int64 CODEC(Delta, ZSTD(1)),
    id_high UInt64 CODEC(Delta, ZSTD(1)),
    id_low UInt64 CODEC(NONE),
    version LowCardinality(String),
    command LowCardinality(String),
    application Nullable(String) CODEC(ZSTD(1)),
    environment Nullable(String) CODEC(ZSTD(1)),
    context String CODEC(ZSTD(1)),
    origin UInt64 CODEC(ZSTD(1)),
    PROJECTION arrivals (
        SELECT tool, timestamp, id_high, id_low, origin ORDER BY (tool, timestamp, id_high, id_low)
    )
)
ENGINE = ReplacingMergeTree
PARTITION BY (tool, intDiv(timestamp, 2419200000))
ORDER BY (tool, installation, timestamp, id_high, id_low)
SETTINGS
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 1,
    cleanup_delay_period = 1,
    cleanup_delay_period_random_add = 0,
    max_cleanup_delay_period = 2,
    finished_mutations_to_keep = 1,
    non_replicated_deduplication_window = 1000,
    deduplicate_merge_projection_mode = 'rebuild',
    lightweight_mutation_projection_mode = 'rebuild';

-- What loads counted, and how far they got: one insert brings both, so that neither is ever there
-- without the other. A row is of one log, tool, day of arrival (days since 1970-01-01 UTC) and kind;
-- merges add up `n`, and the position of a log is the furthest.
CREATE TABLE IF NOT EXISTS ledger (
    log String,
    tool LowCardinality(String),
    day Int32,
    kind LowCardinality(String),
    n SimpleAggregateFunction(sum, Int64),
    position SimpleAggregateFunction(max, Tuple(segment Int64, byte_offset Int64))
)
ENGINE = AggregatingMergeTree
ORDER BY (log, tool, day, kind)
SETTINGS
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    non_replicated_deduplication_window = 1000;

-- The last declared is in force; `moment` is in ns.
CREATE TABLE IF NOT EXISTS contracts (
    tool String, digest String, canonical String, moment Int64
)
ENGINE = ReplacingMergeTree(moment)
ORDER BY tool
SETTINGS
    fsync_after_insert = 1,
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1
