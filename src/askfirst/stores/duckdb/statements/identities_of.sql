SELECT timestamp, id_high, id_low FROM events WHERE installation = $installation
