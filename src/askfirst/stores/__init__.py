"""Where events are kept: one interface, one folder per engine."""
