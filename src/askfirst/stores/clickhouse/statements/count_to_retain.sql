SELECT count() FROM events FINAL WHERE tool = {tool:String} AND timestamp < {before:Int64}
