-- Parts with events that are on disk still though others have taken their place.
SELECT name FROM system.parts
WHERE database = {database:String} AND table = {events:String} AND NOT active AND rows > 0
