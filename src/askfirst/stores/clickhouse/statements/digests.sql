-- For each hour since 1970-01-01 UTC: how many events of a tool a load brought, and what tells them from
-- others.
SELECT intDiv(timestamp, 3600000) AS hour, count(), groupBitXor(timestamp), groupBitXor(id_low)
FROM events FINAL
WHERE tool = {tool:String} AND origin = {origin:UInt64}
GROUP BY hour
