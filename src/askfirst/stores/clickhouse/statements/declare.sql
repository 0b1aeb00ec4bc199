INSERT INTO contracts SELECT {tool:String}, {digest:String}, {canonical:String}, {moment:Int64}
