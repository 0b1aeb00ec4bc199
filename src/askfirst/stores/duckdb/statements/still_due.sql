-- Rows are only ever added to `forgotten`, so those that came after $last have higher numbers.
INSERT INTO askfirst_fresh.forgotten
SELECT tool, installation, before, here AND rowid > $last
FROM forgotten
WHERE rowid > $last OR $with_others
ORDER BY rowid
