-- What is to be sealed at a time.
CREATE TEMP TABLE batch AS FROM recent WHERE arrived BETWEEN $low AND $high
