DELETE FROM runs WHERE number IN (SELECT unnest($numbers::BIGINT[]))
