"""What a command advises can be typed as it stands, also where no shell finds `gitpip`."""

import os
import re
import subprocess
from itertools import chain
from pathlib import Path

import pytest

from gitpip.program import PANELS
from tests.support.network import nobody_listening
from tests.support.running import GITPIP, Installation

HINT = re.compile(rf"([\w./-]*gitpip) (?:{'|'.join(chain(*PANELS.values()))})(?![\w-])")
COMMANDS = (
    ("status",),  # there is no database yet
    ("users", "import", "list.txt"),
    ("keys", "list"),
    ("feeds", "list"),
    ("doctor",),
    ("try-now",),
    ("users", "check", "octocat"),
    ("publish", "--dry-run"),
    ("setup",),
    ("audit", "--limit", "3"),
    ("users", "add", "--help"),
)


@pytest.fixture
def started_by_make(tmp_path: Path) -> Path:
    """A folder like a checkout, in which `make run` starts the program of an environment."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(GITPIP.parent)
    (tmp_path / "list.txt").write_text("octocat\n")
    return tmp_path


def called(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call gitpip as the environment of the folder has it, with data of its own."""
    own = {"PATH": "/usr/bin:/bin", "GITPIP_DATA_DIR": str(folder), **environment}
    program = Path(".venv/bin/gitpip")
    # The help is written when gitpip is loaded, so a process that is forked has another's.
    return Installation(folder, own, inherits="--help" in words, program=program).command(*words)


def test_the_first_word_of_each_hint_is_a_program(started_by_make: Path) -> None:
    hints = []
    with nobody_listening() as port:
        environment = {
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "GITHUB_API_URL": f"http://127.0.0.1:{port}",
        }
        for words in COMMANDS:
            done = called(started_by_make, *words, **environment)
            hints += [(words, program) for program in HINT.findall(done.stdout + done.stderr)]

    assert len({words for words, _ in hints}) > len(COMMANDS) / 2, hints
    for words, program in hints:
        assert os.access(started_by_make / program, os.X_OK), (words, program)


def test_json_names_the_program_by_its_name(started_by_make: Path) -> None:
    for words in (("users", "import", "list.txt"), ("status", "--json")):
        done = called(started_by_make, *words)
        done.check_returncode()
    assert set(HINT.findall(done.stdout)) == {"gitpip"}
