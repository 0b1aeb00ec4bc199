"""One line per framework: click, typer, argparse, cyclopts."""
