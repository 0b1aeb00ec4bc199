"""The agreement between a tool and its users; standard library only, imported by both sides."""
