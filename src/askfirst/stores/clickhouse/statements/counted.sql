-- (day of arrival, kind, n) of what one log has counted of a tool.
SELECT day, toString(kind), sum(n)
FROM ledger
WHERE log = {log:String} AND tool = {tool:String} AND kind <> ''
GROUP BY day, kind
