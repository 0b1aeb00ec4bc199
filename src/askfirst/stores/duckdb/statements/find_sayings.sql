-- `which` is the field's place in `dictionaries.SAID`.
SELECT
    installation,
    (CASE field WHEN 'application' THEN 0 WHEN 'environment' THEN 1 ELSE 2 END)::BIGINT AS which,
    value,
    key
FROM sayings SEMI JOIN sought USING (installation)
