"""The name of this program, as a person can type it."""

import os
import shutil
import sys
from pathlib import Path

NAME = "gitpip"


def program() -> str:
    """Return how to call gitpip again: by its path where no shell finds it by its name.

    A path is relative if it is below the working directory, such as `.venv/bin/gitpip`.
    """
    called = Path(sys.argv[0])
    found = shutil.which(NAME)
    if called.name != NAME or (found and os.path.realpath(found) == os.path.realpath(called)):
        return NAME
    try:
        here = Path.cwd()
    except OSError:  # the working directory is gone
        return str(called)
    whole = called.absolute()
    # In the root directory, every path would be relative, and look like a name.
    is_below = here != Path("/") and whole.is_relative_to(here)
    return str(whole.relative_to(here) if is_below else whole)
