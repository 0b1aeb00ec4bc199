SELECT timestamp, id_high, id_low
FROM events WHERE tool = $tool AND timestamp >= $low AND timestamp < $high
