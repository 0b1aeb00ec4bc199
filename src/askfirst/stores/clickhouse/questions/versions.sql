-- (version, ms UTC of its first event) up to {as_of}.
SELECT version, min(first)
FROM each_shard(
    SELECT toString(version) AS version, min(timestamp) AS first
    FROM events
    WHERE tool = {tool:String} AND timestamp < ({as_of:Int32} + 1) * 86400000
    GROUP BY version
)
GROUP BY version
