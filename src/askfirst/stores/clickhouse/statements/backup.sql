BACKUP DATABASE {database:Identifier} TO File({name:String})
