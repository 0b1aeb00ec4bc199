CREATE TABLE IF NOT EXISTS erasures AS local_erasures
ENGINE = Distributed({cluster:Identifier}, currentDatabase(), 'local_erasures', reinterpretAsUInt64(substring(installation, 25)))
