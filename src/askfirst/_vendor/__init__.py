"""Third-party code that is copied because the client may have no dependency."""
