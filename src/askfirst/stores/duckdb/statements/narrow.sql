-- A view takes no parameters: what stands in braces is put in before.
CREATE TEMP VIEW sampled AS
SELECT key FROM {database}.main.installations WHERE tool = {tool} AND hash < unhex('{limit}');
CREATE TEMP VIEW sealed AS
FROM {database}.main.sealed WHERE installation IN (FROM sampled);
CREATE TEMP VIEW recent AS
FROM {database}.main.recent WHERE installation IN (FROM sampled);
CREATE TEMP VIEW events AS FROM sealed UNION ALL FROM recent;
CREATE TEMP VIEW spans AS
FROM {database}.main.spans WHERE installation IN (FROM sampled);
CREATE TEMP VIEW days AS
SELECT tool, day, chunk, whole.bits & mask.bits AS bits
FROM {database}.main.days AS whole
JOIN (
    SELECT key >> 14 AS chunk, bitstring_agg(key & 16383, 0, 16383) AS bits FROM sampled GROUP BY chunk
) AS mask USING (chunk)
WHERE bit_count(whole.bits & mask.bits) > 0
