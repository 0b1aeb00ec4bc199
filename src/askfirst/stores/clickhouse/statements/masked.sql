SELECT count() FROM system.parts
WHERE database = {database:String} AND table = {events:String} AND active AND has_lightweight_delete
