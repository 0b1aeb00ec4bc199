SELECT max(position).1, max(position).2, count() FROM ledger WHERE log = {log:String} AND position.1 >= 0
