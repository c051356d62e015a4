"""The choice to colour text: https://no-color.org and https://bixense.com/clicolors."""

import os
from typing import TextIO


def are_wanted(stream: TextIO | None) -> bool:
    """Return whether text written to this stream is coloured.

    NO_COLOR wins, then CLICOLOR_FORCE and FORCE_COLOR, which also colour what goes into a pipe.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if any(
        os.environ.get(name, "0") not in {"", "0"} for name in ("CLICOLOR_FORCE", "FORCE_COLOR")
    ):
        return True
    knows_colours = os.environ.get("TERM") != "dumb" and os.environ.get("CLICOLOR") != "0"
    return knows_colours and is_terminal(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person reads this stream at a terminal. A closed stream is None."""
    return stream is not None and stream.isatty()
