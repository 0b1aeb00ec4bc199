SELECT count() FROM events FINAL WHERE tool = {tool:String}
