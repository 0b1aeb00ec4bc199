-- Whether installations are stored that are not in the sample.
SELECT EXISTS (FROM installations WHERE tool = $tool AND hash >= unhex($limit))
