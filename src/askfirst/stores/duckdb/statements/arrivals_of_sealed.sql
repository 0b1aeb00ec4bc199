-- (day of arrival, events) of what is sealed.
SELECT arrived, count(*) FROM sealed GROUP BY arrived ORDER BY arrived
