DELETE FROM {events:Identifier}
WHERE tool = {tool:String} AND origin = {origin:UInt64}
  AND timestamp >= {low:Int64} AND timestamp < {high:Int64}
