-- Events carry integer keys; what the keys stand for is kept once. With the 32-byte hashes in the row
-- every question is two to five times slower and an event takes seven times the space.
-- No primary key on what is large: an index halves the loading speed, and there is one writer.

CREATE TABLE tools (key SMALLINT PRIMARY KEY, name VARCHAR NOT NULL UNIQUE);

CREATE TABLE contracts (tool SMALLINT PRIMARY KEY, digest VARCHAR NOT NULL, canonical VARCHAR NOT NULL);

-- An installation stands here exactly as long as it has events.
CREATE TABLE installations (key INTEGER NOT NULL, tool SMALLINT NOT NULL, hash BLOB NOT NULL);

-- What an installation has said: `field` is application, environment or context. A context is the
-- JSON of all other fields of an event. Per installation, so that erasure takes it along.
CREATE TABLE sayings (
    key INTEGER NOT NULL, installation INTEGER NOT NULL, field VARCHAR NOT NULL, value VARCHAR NOT NULL
);

CREATE TABLE versions (key INTEGER NOT NULL, tool SMALLINT NOT NULL, value VARCHAR NOT NULL);

CREATE TABLE commands (key INTEGER NOT NULL, tool SMALLINT NOT NULL, value VARCHAR NOT NULL);

-- `timestamp` is ms UTC. The id is the two halves of the UUID: the first half of a version 7
-- is mostly time and compresses; a UUID column does not. Signed, because DuckDB 1.5 hands a join's
-- bounds to Arrow as signed numbers.
CREATE TABLE events (
    tool SMALLINT NOT NULL,
    timestamp BIGINT NOT NULL,
    id_high BIGINT NOT NULL,
    id_low BIGINT NOT NULL,
    installation INTEGER NOT NULL,
    application INTEGER,
    environment INTEGER,
    version INTEGER NOT NULL,
    command INTEGER NOT NULL,
    context INTEGER
);

-- One row for each tool, day of arrival (days since 1970-01-01 UTC) and kind.
CREATE TABLE quality (
    tool SMALLINT NOT NULL, day INTEGER NOT NULL, kind VARCHAR NOT NULL, n BIGINT NOT NULL
);

-- One row for each log: it is loaded up to `byte_offset` of `segment`.
CREATE TABLE positions (log VARCHAR NOT NULL, segment BIGINT NOT NULL, byte_offset BIGINT NOT NULL);
