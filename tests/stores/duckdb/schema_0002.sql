-- A store as askfirst 0.1 left it: migrations 0001 and 0002, and a few rows.
CREATE TABLE migrations (number INTEGER PRIMARY KEY, name VARCHAR NOT NULL, askfirst VARCHAR NOT NULL);
INSERT INTO migrations VALUES (1, '0001_events', '0.1.0'), (2, '0002_forgotten', '0.1.0');
CREATE TABLE tools (key SMALLINT PRIMARY KEY, name VARCHAR NOT NULL UNIQUE);
CREATE TABLE contracts (tool SMALLINT PRIMARY KEY, digest VARCHAR NOT NULL, canonical VARCHAR NOT NULL);
CREATE TABLE installations (key INTEGER NOT NULL, tool SMALLINT NOT NULL, hash BLOB NOT NULL);
CREATE TABLE sayings (
    key INTEGER NOT NULL, installation INTEGER NOT NULL, field VARCHAR NOT NULL, value VARCHAR NOT NULL
);
CREATE TABLE versions (key INTEGER NOT NULL, tool SMALLINT NOT NULL, value VARCHAR NOT NULL);
CREATE TABLE commands (key INTEGER NOT NULL, tool SMALLINT NOT NULL, value VARCHAR NOT NULL);
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
CREATE TABLE runs (
    tool SMALLINT NOT NULL, number BIGINT NOT NULL, size BIGINT NOT NULL, crc BIGINT
);
CREATE TABLE forgotten (
    tool VARCHAR NOT NULL, installation BLOB, before BIGINT, here BOOLEAN NOT NULL
);
CREATE TABLE quality (
    tool SMALLINT NOT NULL, day INTEGER NOT NULL, kind VARCHAR NOT NULL, n BIGINT NOT NULL
);
CREATE TABLE positions (log VARCHAR NOT NULL, segment BIGINT NOT NULL, byte_offset BIGINT NOT NULL);
INSERT INTO tools VALUES (1, 'stratus');
INSERT INTO installations VALUES (1, 1, repeat('\xAA', 32)::BLOB), (2, 1, repeat('\xBB', 32)::BLOB);
INSERT INTO sayings VALUES
    (1, 1, 'application', 'a-name'), (2, 1, 'context', '{"runtime":"2.0.0"}'),
    (3, 2, 'context', '{"runtime":"2.0.0"}');
INSERT INTO versions VALUES (1, 1, '1.0.0');
INSERT INTO commands VALUES (2, 1, 'start');
INSERT INTO events VALUES
    (1, 1728000000000, 1, 2, 1, 1, NULL, 1, 2, 2),
    (1, 1728000000001, -1, -2, 2, NULL, NULL, 1, 2, 3),
    (1, 1728000000002, 3, 4, 2, NULL, NULL, 1, 2, NULL);
INSERT INTO quality VALUES (1, 20000, 'stored', 3);
INSERT INTO positions VALUES ('log', 7, 99);
