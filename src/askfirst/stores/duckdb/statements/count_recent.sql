SELECT count(*) FROM recent
