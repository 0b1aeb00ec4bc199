-- The contract of a tool if it may have a sample: a purpose can have these letters too.
SELECT tools.key, contracts.canonical
FROM contracts JOIN tools ON tools.key = contracts.tool
WHERE tools.name = $tool AND contains(contracts.canonical, '"sample":')
