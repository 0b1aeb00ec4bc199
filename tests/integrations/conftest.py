"""A program to run, for the tests that need a real one."""

from tests.client.program import program

__all__ = ["program"]
