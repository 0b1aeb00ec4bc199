DELETE FROM {events:Identifier}
WHERE tool = {tool:String} AND installation = toFixedString(unhex({who:String}), 32)
