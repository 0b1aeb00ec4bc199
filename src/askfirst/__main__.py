"""The `askfirst` command, and what it says where the collector's libraries are not installed."""

import sys


def main() -> None:
    """Run the `askfirst` command."""
    try:
        from askfirst.cli.main import root

        root(prog_name="askfirst")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("askfirst"):
            raise
        sys.exit(f"askfirst: {error.name} is not installed; pip install 'askfirst[collector]'")


if __name__ == "__main__":
    main()
