-- What tells the events that are there from any others: the parts that have them.
SELECT count(), groupBitXor(cityHash64(name, hash_of_all_files)) FROM system.parts
WHERE database = {database:String} AND table = {events:String} AND active
