-- (day of arrival, events) of what is not sealed yet.
SELECT arrived, count(*) FROM recent GROUP BY arrived ORDER BY arrived
