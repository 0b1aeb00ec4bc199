DELETE FROM {events:Identifier} WHERE tool = {tool:String} AND timestamp < {before:Int64}
