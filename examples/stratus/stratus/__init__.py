"""Stratus, a small process supervisor: the example CLI of askfirst."""

__version__ = "1.4.0"
