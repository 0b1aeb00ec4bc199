SELECT count(*) FROM events WHERE installation = $installation
