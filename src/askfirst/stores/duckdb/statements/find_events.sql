-- Which of the events sought are stored, by their places.
SELECT sought.row FROM events JOIN sought USING (tool, timestamp, id_rest, id_low)
