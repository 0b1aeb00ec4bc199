"""The `askfirst` command: one file per subcommand."""
