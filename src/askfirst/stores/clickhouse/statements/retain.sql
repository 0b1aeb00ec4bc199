DELETE FROM events WHERE tool = {tool:String} AND timestamp < {before:Int64}
