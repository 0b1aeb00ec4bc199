DELETE FROM {events:Identifier}
WHERE tool = {tool:String} AND origin = {origin:UInt64}
  AND timestamp >= {low:Int64} AND timestamp < {high:Int64}
  AND (timestamp, id_high, id_low) IN {keys:Array(Tuple(Int64, UInt64, UInt64))}
