-- Whether what is sealed has ids of events that arrived before a day.
SELECT EXISTS (FROM sealed WHERE arrived < $day AND id_low IS NOT NULL)
