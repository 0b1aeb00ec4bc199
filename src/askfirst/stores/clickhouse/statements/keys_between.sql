-- The keys of all events of a tool in a stretch of time, and whether this load brought them.
SELECT timestamp, id_high, id_low, toUInt8(origin = {origin:UInt64}) AS own
FROM events
WHERE tool = {tool:String} AND timestamp >= {low:Int64} AND timestamp < {high:Int64}
