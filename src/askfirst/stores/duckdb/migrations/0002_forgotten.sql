-- The files beside the store that tell which events are stored already; made anew where they are not
-- listed or not there. `size` is in records; `crc` is null for a file that is on disk for certain.
CREATE TABLE runs (
    tool SMALLINT NOT NULL, number BIGINT NOT NULL, size BIGINT NOT NULL, crc BIGINT
);

-- What was forgotten and may still be readable in blocks of the file that are free, or in a backup:
-- an installation, or what was before a moment (ms UTC). `here` is false once only backups are left.
CREATE TABLE forgotten (
    tool VARCHAR NOT NULL, installation BLOB, before BIGINT, here BOOLEAN NOT NULL
);
