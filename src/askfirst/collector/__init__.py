"""The server that receives events, and never loses what it acknowledged."""
