SELECT
    greatest(
        (SELECT coalesce(max(key), 0) FROM versions), (SELECT coalesce(max(key), 0) FROM commands)
    ),
    (SELECT coalesce(max(key), 0) FROM installations),
    (SELECT coalesce(max(key), 0) FROM sayings WHERE field = 'context')
