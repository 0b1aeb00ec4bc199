INSERT INTO erasures SELECT {tool:String}, toFixedString(unhex({who:String}), 32), {moment:Int64}
