-- Who was erased since a moment, and when last.
SELECT installation, max(moment) FROM erasures
WHERE tool = {tool:String} AND moment >= {since:Int64}
GROUP BY installation
