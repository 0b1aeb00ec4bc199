SELECT count(*) FROM spans
