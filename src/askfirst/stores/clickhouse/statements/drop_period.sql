ALTER TABLE events DROP PARTITION tuple({tool:String}, {period:Int64})
