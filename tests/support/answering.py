"""A gitpip command at a terminal of its own, whose questions are answered."""

import os
import pty
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.running import Installation


def answering(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    answer: Callable[[str], str | None],
) -> tuple[int, str]:
    """Run a command in a folder; gives its exit code and what it said, with what was typed.

    `answer` is told all that was said by now, and gives the line to type, or None for none.
    """
    own, its = pty.openpty()
    gitpip = Installation(folder, {"NO_COLOR": "1", "TERM": "dumb", **environment})
    process = gitpip.begin(*command, given=its, output=its)
    os.close(its)
    said = ""
    try:
        while True:
            try:
                said += os.read(own, 4096).decode()
            except OSError:  # the other end is closed
                break
            if (line := answer(said)) is not None:
                os.write(own, f"{line}\n".encode())
        return process.wait(timeout=60), said
    finally:
        process.kill()
        process.wait()
        os.close(own)
