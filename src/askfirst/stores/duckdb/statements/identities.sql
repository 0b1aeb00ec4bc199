SELECT timestamp, id_rest, id_low
FROM events WHERE tool = $tool AND timestamp >= $low AND timestamp < $high
  AND id_low IS NOT NULL
