-- (rank, duration in ms, updated): one row for each release and each installation at risk of updating
-- to it. $versions and $ranks say how versions rank; $releases and $instants, which ranks were
-- released when (ms UTC).
WITH ranks AS (
    SELECT unnest($versions::VARCHAR[]) AS value, unnest($ranks::INTEGER[]) AS rank
),
releases AS (
    SELECT unnest($releases::INTEGER[]) AS rank, unnest($instants::BIGINT[]) AS released
),
seen AS (
    SELECT installation, version, min(timestamp) AS first, max(timestamp) AS last
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp < ($as_of + 1) * 86400000
    GROUP BY installation, version
),
ranked AS (
    SELECT seen.installation, seen.first, seen.last, ranks.rank
    FROM seen
    JOIN versions ON versions.key = seen.version
    JOIN ranks USING (value)
),
people AS (
    SELECT
        releases.rank,
        releases.released,
        min(first) FILTER (ranked.rank < releases.rank) AS earlier,
        min(first) FILTER (ranked.rank >= releases.rank) AS updated,
        max(last) AS last
    FROM ranked CROSS JOIN releases
    GROUP BY ranked.installation, releases.rank, releases.released
)
SELECT rank, coalesce(updated, last) - released AS duration, updated IS NOT NULL AS updated
FROM people
WHERE earlier < released AND coalesce(updated, last) >= released
