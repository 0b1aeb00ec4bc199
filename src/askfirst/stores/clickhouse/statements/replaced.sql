-- Parts with events that are on disk still though others have taken their place. Those that are being
-- deleted are among them only where `_state` is asked for.
SELECT name FROM system.parts
WHERE database = {database:String} AND table = {events:String} AND NOT active AND rows > 0 AND _state <> ''
