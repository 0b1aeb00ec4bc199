-- Changes whose words are on disk still, and with them whom they were about.
SELECT mutation_id FROM system.mutations WHERE database = {database:String} AND table = {events:String}
