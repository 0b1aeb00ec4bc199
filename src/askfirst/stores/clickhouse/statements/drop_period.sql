ALTER TABLE {events:Identifier} DROP PARTITION tuple({tool:String}, {period:Int64})
