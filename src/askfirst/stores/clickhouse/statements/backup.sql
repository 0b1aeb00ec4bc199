-- This statement takes no parameters: the names are put in as they are, checked before.
BACKUP DATABASE $database TO File('$name')
