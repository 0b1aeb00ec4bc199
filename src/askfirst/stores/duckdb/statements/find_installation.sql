SELECT installations.key
FROM installations JOIN tools ON tools.key = installations.tool
WHERE tools.name = $tool AND hash = $installation
