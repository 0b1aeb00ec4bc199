INSERT INTO quality SELECT tool, day, kind, n FROM counted
ON CONFLICT (tool, day, kind) DO UPDATE SET n = quality.n + excluded.n
