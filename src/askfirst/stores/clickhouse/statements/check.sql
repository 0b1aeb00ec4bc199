CHECK TABLE {table:Identifier}
