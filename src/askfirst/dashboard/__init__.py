"""The answers as pages in a browser: server-rendered, with charts, and nothing from elsewhere."""
