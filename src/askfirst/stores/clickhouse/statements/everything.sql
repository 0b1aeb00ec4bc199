-- Every event of a tool in a period, in order. No two have equal timestamps and ids.
SELECT
    timestamp, id_high, id_low, installation, version, command, application, environment, context
FROM events FINAL
WHERE tool = {tool:String}
  AND timestamp >= {period:Int64} * 2419200000
  AND timestamp < ({period:Int64} + 1) * 2419200000
ORDER BY timestamp, id_high, id_low
