-- The last day on which anything arrived; one that is alone and over 60 days (seen.ID_DAYS) ahead
-- of all others was a mistake of the clock.
WITH
    last AS (SELECT max(arrived) AS day FROM events),
    earlier AS (SELECT max(arrived) AS day FROM events WHERE arrived < (SELECT day FROM last))
SELECT CASE WHEN last.day - earlier.day > 60 THEN earlier.day ELSE last.day END
FROM last, earlier
