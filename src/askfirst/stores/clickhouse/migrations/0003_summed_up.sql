-- What the questions are about, summed up with each part of `events`: who was seen on which version,
-- and who named what. 48 million events are some 2 and 5 million such rows. The engine keeps them with
-- the part: they are dropped, merged, and written anew without what was erased when the part is. Two
-- rows of one event, before a merge, say here what one does: least, greatest, and a bit for each of the
-- 28 days of the period. It takes them by itself for a question that is asked in these very words.
-- Of names there is only what tells them apart: 16 bytes, as uniqExact would make of them.
-- A period in which nothing has come for a day becomes one part: the fewer parts, the fewer such rows.
-- MATERIALIZE is for events that are there already; it returns at once, and what is not summed up yet
-- is read from the events.
ALTER TABLE events ADD PROJECTION IF NOT EXISTS seen (
    SELECT
        tool, installation, intDiv(timestamp, 2419200000), version,
        min(timestamp), max(timestamp),
        groupBitOr(bitShiftLeft(toUInt32(1), toUInt8(modulo(intDiv(timestamp, 86400000), 28))))
    GROUP BY tool, installation, intDiv(timestamp, 2419200000), version
);

ALTER TABLE events ADD PROJECTION IF NOT EXISTS named (
    SELECT
        tool, installation, intDiv(timestamp, 2419200000),
        sipHash128(application), sipHash128(environment),
        groupBitOr(bitShiftLeft(toUInt32(1), toUInt8(modulo(intDiv(timestamp, 86400000), 28))))
    GROUP BY
        tool, installation, intDiv(timestamp, 2419200000),
        sipHash128(application), sipHash128(environment)
);

ALTER TABLE events MODIFY SETTING
    min_age_to_force_merge_seconds = 86400,
    min_age_to_force_merge_on_partition_only = 1;

ALTER TABLE events MATERIALIZE PROJECTION seen;

ALTER TABLE events MATERIALIZE PROJECTION named
