SELECT argMax(canonical, moment) FROM contracts WHERE tool = {tool:String} GROUP BY tool
