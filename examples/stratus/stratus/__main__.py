"""Lets `python -m stratus` run the CLI."""

from stratus.cli import main

main()
