SELECT count() FROM ledger WHERE log <> {log:String}
