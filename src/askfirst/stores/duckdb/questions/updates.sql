-- (release, duration in ms, updated): a row for each release and each installation at risk of updating
-- to it. The lists have an entry for each release: its version, the version's rank by precedence,
-- and the instant of the release (ms UTC).
WITH releases AS (
    SELECT
        unnest(range(len($versions::VARCHAR[]))) AS release,
        unnest($versions::VARCHAR[]) AS value,
        unnest($ranks::INTEGER[]) AS rank,
        unnest($instants::BIGINT[]) AS released
),
seen AS (
    SELECT installation, version, min(timestamp) AS first, max(timestamp) AS last
    FROM events
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
    GROUP BY installation, version
),
ranked AS (
    SELECT seen.installation, seen.first, seen.last, releases.rank
    FROM seen
    JOIN versions ON versions.key = seen.version
    JOIN releases USING (value)
),
people AS (
    SELECT
        releases.release,
        releases.released,
        min(first) FILTER (ranked.rank < releases.rank) AS earlier,
        min(first) FILTER (ranked.rank >= releases.rank) AS updated,
        max(last) AS last
    FROM ranked CROSS JOIN releases
    GROUP BY ranked.installation, releases.release, releases.released
)
SELECT release, coalesce(updated, last) - released AS duration, updated IS NOT NULL AS updated
FROM people
WHERE earlier < released AND coalesce(updated, last) >= released
