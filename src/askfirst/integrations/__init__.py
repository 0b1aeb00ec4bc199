"""One line per framework: click, argparse."""
