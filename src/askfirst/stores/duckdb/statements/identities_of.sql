SELECT timestamp, id_rest, id_low FROM events WHERE installation = $installation AND id_low IS NOT NULL
