"""`python -m askfirst`, the same as the `askfirst` command."""

from askfirst.cli.main import main

if __name__ == "__main__":
    main()
