-- What is loaded lies in `recent` until there is enough of it to be sealed: sorted by time, which takes
-- half the space, and summed up in `days` and `spans`, which say nothing about `recent`.
-- `arrived` is the day of arrival (days since 1970-01-01 UTC), for older stores that of the event.
-- `id_rest` is the first half of the UUID, xor the timestamp 16 bits to the left: 16 bits of a version 7
-- are left. Ids are null once they are too old to come again.
ALTER TABLE events RENAME TO older;

CREATE TABLE recent (
    tool SMALLINT NOT NULL,
    arrived INTEGER NOT NULL,
    timestamp BIGINT NOT NULL,
    id_rest BIGINT,
    id_low BIGINT,
    installation INTEGER NOT NULL,
    application INTEGER,
    environment INTEGER,
    version INTEGER NOT NULL,
    command INTEGER NOT NULL,
    context INTEGER
);

-- Applications and environments are numbered for each installation from now on, which takes a fraction
-- of the space; keys of contexts stay as they are.
CREATE TABLE numbered AS
SELECT key, (row_number() OVER (PARTITION BY installation, field ORDER BY key))::INTEGER AS number
FROM sayings WHERE field <> 'context';

INSERT INTO recent
SELECT
    tool, timestamp // 86400000, timestamp, xor(id_high, timestamp << 16), id_low,
    installation, application.number, environment.number, version, command, context
FROM older
LEFT JOIN numbered AS application ON application.key = older.application
LEFT JOIN numbered AS environment ON environment.key = older.environment;

UPDATE sayings SET key = numbered.number FROM numbered
WHERE numbered.key = sayings.key AND sayings.field <> 'context';

DROP TABLE numbered;

DROP TABLE older;

CREATE TABLE sealed (
    tool SMALLINT NOT NULL,
    arrived INTEGER NOT NULL,
    timestamp BIGINT NOT NULL,
    id_rest BIGINT,
    id_low BIGINT,
    installation INTEGER NOT NULL,
    application INTEGER,
    environment INTEGER,
    version INTEGER NOT NULL,
    command INTEGER NOT NULL,
    context INTEGER
);

-- The files beside the store have another form from now on.
DELETE FROM runs;

CREATE VIEW events AS FROM sealed UNION ALL FROM recent;

-- Who was active on a day (since 1970-01-01 UTC): a bit for each of the installations whose key, shifted
-- 14 bits to the right, is `chunk`. 2 KiB, because DuckDB keeps longer values in blocks of their own.
CREATE TABLE days (tool SMALLINT NOT NULL, day INTEGER NOT NULL, chunk INTEGER NOT NULL, bits BIT NOT NULL);

-- The first and last moment (ms UTC) of an installation on a version within a month, which are the 28
-- days from `month` * 28 days since 1970-01-01 UTC on. There may be several rows for one such span.
CREATE TABLE spans (
    tool SMALLINT NOT NULL, month INTEGER NOT NULL, installation INTEGER NOT NULL,
    version INTEGER NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL
);
