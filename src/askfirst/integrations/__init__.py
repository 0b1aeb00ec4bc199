"""One line per framework, `instrument(program, telemetry)`: click, typer, argparse, cyclopts.

Each adds the question at start, the recording of allow-listed commands that succeed, `--verbose`,
and the `telemetry` sub-commands. Only the names of commands are looked at, never what was given to
them.
"""
