-- What a load brought of an installation that was erased meanwhile.
DELETE FROM {events:Identifier}
WHERE tool = {tool:String} AND installation = toFixedString(unhex({who:String}), 32) AND origin = {origin:UInt64}
