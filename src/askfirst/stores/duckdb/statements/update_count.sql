UPDATE quality SET n = n + $n WHERE tool = $tool AND day = $day AND kind = $kind
