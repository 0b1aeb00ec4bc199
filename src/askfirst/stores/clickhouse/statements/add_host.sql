INSERT INTO hosts VALUES ({shard:UInt32}, {host:String}, {port:UInt16})
