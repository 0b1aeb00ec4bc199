-- A view takes no parameters: what stands in braces is put in before.
CREATE TEMP VIEW events AS
SELECT *
FROM {database}.main.events
WHERE installation IN (
    SELECT key FROM {database}.main.installations WHERE tool = {tool} AND hash < unhex('{limit}')
)
