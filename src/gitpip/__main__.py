"""`gitpip`, and `python -m gitpip`, which is the same."""

import sys


def main() -> None:
    """Run a command; Ctrl-C ends it without a traceback, also while it is loaded."""
    try:
        from gitpip.cli.main import main as run  # noqa: PLC0415 - it takes a second to load

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
