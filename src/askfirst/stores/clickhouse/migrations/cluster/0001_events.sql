-- What is asked and inserted on any host; each row lies in the local table of one shard. An installation
-- is on one shard whatever the tool: its hash is even in every part, and the end of it says nothing about
-- samples, which go by its beginning.
CREATE TABLE IF NOT EXISTS events AS local_events
ENGINE = Distributed({cluster:Identifier}, currentDatabase(), 'local_events', reinterpretAsUInt64(substring(installation, 25)));

-- One log's rows are on one shard, so that counts and position still come in one block.
CREATE TABLE IF NOT EXISTS ledger AS local_ledger
ENGINE = Distributed({cluster:Identifier}, currentDatabase(), 'local_ledger', sipHash64(log));

CREATE TABLE IF NOT EXISTS contracts AS local_contracts
ENGINE = Distributed({cluster:Identifier}, currentDatabase(), 'local_contracts', sipHash64(tool))
