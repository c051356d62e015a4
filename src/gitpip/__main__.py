"""The entry point of `gitpip`, and of `python -m gitpip`, which is the same."""

import gc
import os
import signal
import sys
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    """Run a command. Ctrl-C ends it without a traceback, also while it is loaded."""
    # A module that is being imported may swallow KeyboardInterrupt; in the background SIGINT is
    # ignored.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, _end_at_once)
    # Loaded modules stay. Collecting garbage among it takes about a tenth of the time to load it.
    gc.disable()
    from gitpip.cli.main import main as run  # noqa: PLC0415 - it takes a second to load

    gc.freeze()
    gc.enable()
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
