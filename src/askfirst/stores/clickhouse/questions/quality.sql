-- (day of arrival, kind, n) up to {as_of}.
SELECT day, toString(kind), sum(n) AS n
FROM ledger
WHERE tool = {tool:String} AND day <= {as_of:Int32} AND kind <> ''
GROUP BY day, kind
HAVING n <> 0
ORDER BY day, kind
