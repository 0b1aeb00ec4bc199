SELECT count() FROM events FINAL
WHERE tool = {tool:String} AND installation = toFixedString(unhex({who:String}), 32)
