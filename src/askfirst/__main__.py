"""The `askfirst` command, and what it says where only the client is installed."""

import sys


def main() -> None:
    """Run the `askfirst` command."""
    try:
        from askfirst.cli.main import root

        root(prog_name="askfirst")
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not missing or (missing.startswith("askfirst") and missing != "askfirst.cli"):
            raise
        what = "the collector" if missing == "askfirst.cli" else missing
        sys.exit(f'askfirst: {what} is not installed; pip install "askfirst[collector]"')


if __name__ == "__main__":
    main()
