"""A gitpip command at a terminal of its own, whose questions are answered."""

import os
import pty
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.running import GITPIP


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
    process = subprocess.Popen(
        [GITPIP, *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "NO_COLOR": "1", "TERM": "dumb", **environment},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
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
