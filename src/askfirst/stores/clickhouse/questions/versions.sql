-- (version, ms UTC of its first event) up to {as_of}. The first of all is the first up to then, or none is.
SELECT version, min(first)
FROM each_shard(
    SELECT toString(version) AS version, min(timestamp) AS first
    FROM events
    WHERE tool = {tool:String}
      AND intDiv(timestamp, 2419200000) <= intDiv({as_of:Int32}, 28)
    GROUP BY version
    HAVING first < ({as_of:Int32} + 1) * 86400000
)
GROUP BY version
