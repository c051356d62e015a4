"""`gitpip held` at a terminal says what an answer for everybody does, and asks before it acts."""

import os
import pty
import sqlite3
import subprocess
from collections.abc import Callable

from tests.actions.doors import House
from tests.support.running import GITPIP


def answered(house: House, answer: str) -> tuple[int, str, str, list[str]]:
    """Type an answer; gives the exit code, what was said before and after, and what was done."""
    own, its = pty.openpty()
    process = subprocess.Popen(
        [GITPIP, "held", "--everybody", "--approve", "latest:1"],
        cwd=house.folder,
        env={"PATH": os.environ["PATH"], "NO_COLOR": "1", "TERM": "dumb", **house.environment},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    said = asked = ""
    try:
        while True:
            try:
                said += os.read(own, 4096).decode()
            except OSError:  # the other end is closed
                break
            if not asked and said.endswith("[y/N]: "):
                asked = said
                os.write(own, f"{answer}\n".encode())
        code = process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(own)
    with sqlite3.connect(house.folder / "gitpip.sqlite3") as database:
        done = [subject for (subject,) in database.execute("SELECT subject FROM audit")]
    return code, asked, said.removeprefix(asked), done


def test_an_answer_for_everybody_is_given_only_after_a_yes(house: Callable[[], House]) -> None:
    own = house()
    question = (
        "The latest 1 gist of all people together. 1 file would be queued, 0 skipped.\r\n"
        "Do this? [y/N]: "
    )
    code, asked, _, done = answered(own, "")
    assert (code, asked, done) == (1, question, [])
    code, asked, then, done = answered(own, "y")
    assert (code, asked) == (0, question)
    assert "Everyone: 1 file queued, 0 skipped." in then
    assert done == ["everybody: latest:1, 1 to publish, 0 skipped"]
