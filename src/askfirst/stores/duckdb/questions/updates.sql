-- (release, durations of those who updated, durations of those who have not), in ms, of the
-- installations at risk of updating to a release. The lists that come in have an entry for each
-- release: its version, the version's rank by precedence, and the instant of the release (ms UTC).
WITH releases AS (
    SELECT
        unnest(range(len($versions::VARCHAR[]))) AS release,
        unnest($versions::VARCHAR[]) AS value,
        unnest($ranks::INTEGER[]) AS rank,
        unnest($instants::BIGINT[]) AS released
),
-- What is summed up serves for all months before $month; after it the events themselves.
seen AS (
    SELECT installation, version, first, last
    FROM spans
    WHERE tool = (SELECT key FROM tools WHERE name = $tool) AND month < $month
    UNION ALL
    SELECT installation, version, min(timestamp), max(timestamp)
    FROM sealed
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp >= $month * 2419200000::BIGINT
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
    GROUP BY installation, version
    UNION ALL
    SELECT installation, version, min(timestamp), max(timestamp)
    FROM recent
    WHERE tool = (SELECT key FROM tools WHERE name = $tool)
      AND timestamp < ($as_of + 1) * 86400000::BIGINT
    GROUP BY installation, version
),
ranked AS (
    SELECT seen.installation, releases.rank, min(seen.first) AS first, max(seen.last) AS last
    FROM seen
    JOIN versions ON versions.key = seen.version
    JOIN releases USING (value)
    GROUP BY seen.installation, releases.rank
),
-- A row for each stretch of ranks that an installation passed: from above the one it was on to
-- the next it was on. A release within the stretch finds here what came before, and the update.
stretches AS (
    SELECT
        rank AS above,
        lead(rank) OVER upward AS up_to,
        min(first) OVER (upward ROWS UNBOUNDED PRECEDING) AS earlier,
        min(first) OVER (upward ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS updated,
        max(last) OVER (PARTITION BY installation) AS last
    FROM ranked
    WINDOW upward AS (PARTITION BY installation ORDER BY rank)
),
at_risk AS (
    SELECT releases.release, updated, coalesce(updated, last) - released AS duration
    FROM stretches
    JOIN releases
      ON releases.rank > above
     AND (up_to IS NULL OR releases.rank <= up_to)
     AND earlier < released
     AND coalesce(updated, last) >= released
)
SELECT
    release,
    coalesce(list(duration) FILTER (updated IS NOT NULL), []) AS updated,
    coalesce(list(duration) FILTER (updated IS NULL), []) AS waiting
FROM at_risk
GROUP BY release
