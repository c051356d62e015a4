"""The name of this program and of its commands, as a person can type them."""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

NAME = "gitpip"
PANELS: Mapping[str, Sequence[str]] = {
    "Daily use": (
        "status",
        "latest",
        "inbox",
        "users",
        "publications",
        "held",
        "check",
        "publish",
        "try-now",
        "events",
    ),
    "Setup": ("serve", "demo", "setup", "doctor", "settings", "completion", "plan", "drill"),
    "Publishing": (
        "publishing",
        "targets",
        "rules",
        "opt-outs",
        "notes",
        "undo",
        "undos",
        "adopt",
        "audit",
        "accounts",
    ),
    "Access": ("keys", "feeds", "log"),
}
"""Every command, in the order of `gitpip --help`."""
_COMMAND = re.compile(rf"(?<![\w/.-]){NAME}(?= (?:{'|'.join(chain(*PANELS.values()))})(?![\w-]))")


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


def as_called(text: str) -> str:
    """Return a text of ours that names each command in it as a person can call it here.

    The API, logs and most pages are read elsewhere too: they name the program by its name.
    """
    called = program()
    return text if called == NAME else _COMMAND.sub(lambda _: called, text)
