"""One file for each page: a selection -> what the page says."""
