-- Rows of `arrivals` that are stored already. A retry changes neither timestamp nor id, so the batch's
-- own time range is all of history that has to be looked at.
SELECT arrivals.row
FROM arrivals
SEMI JOIN (
    SELECT tool, timestamp, id_high, id_low FROM events WHERE timestamp BETWEEN $low AND $high
) AS stored USING (tool, timestamp, id_high, id_low)
