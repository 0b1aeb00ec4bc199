-- Which of the keys in `block` are stored already, and by which load. A retry changes neither timestamp
-- nor id, so the block's own moments are all of history that has to be looked at.
SELECT timestamp, id_high, id_low, origin
FROM events
WHERE tool = {tool:String}
  AND timestamp BETWEEN {low:Int64} AND {high:Int64}
  AND (timestamp, id_high, id_low) GLOBAL IN (SELECT timestamp, id_high, id_low FROM block)
