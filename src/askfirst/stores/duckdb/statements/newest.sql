-- The last day on which anything arrived.
SELECT max(arrived) FROM events
