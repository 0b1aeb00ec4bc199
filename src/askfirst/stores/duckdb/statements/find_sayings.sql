SELECT installation, field, value, key
FROM sayings SEMI JOIN sought USING (installation)
