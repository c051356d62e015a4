"""`make test` fails if too little is covered, also if what failed passes when it runs again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOO_LITTLE = 9
SOURCE = "def reached():\n    return 1\n\n\ndef not_reached():\n    return 2\n"
PLUGINS = ("-p", "tests.support.covered", "-p", "xdist.plugin")
TESTS = {
    "passes": "from gitpip.one import reached\n\ndef test(): assert reached()\n",
    "fails": "from gitpip.one import reached\n\ndef test(): assert not reached()\n",
    "crashes": "import os\n\ndef test(): os._exit(1)\n",
}


def run_pytest(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a test of a small package, of which it reaches three lines of four."""
    files = {
        "src/gitpip/__init__.py": "",
        "src/gitpip/one.py": SOURCE,
        "tests/support/covered.py": (ROOT / "tests" / "support" / "covered.py").read_text(),
        "tests/test_it.py": TESTS[test],
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return subprocess.run(
        (sys.executable, "-m", "pytest", *PLUGINS, *options, "tests"),
        cwd=folder,
        # To load all other plugins takes longer than the test.
        env=os.environ | {"PYTHONPATH": str(folder / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("test", "wanted", "status"),
    [("passes", 75, 0), ("fails", 75, 1), ("passes", 76, TOO_LITTLE), ("fails", 76, TOO_LITTLE)],
)
def test_too_little_has_a_status_of_its_own_also_if_a_test_failed(
    tmp_path: Path, test: str, wanted: int, status: int
) -> None:
    ended = run_pytest(tmp_path, test, "--covered", str(wanted))
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert f"75.0 % of lines and branches ran in the tests' own processes, at least {wanted}" in (
        ended.stdout
    )


def test_what_a_crashed_worker_counted_is_missing_and_named(tmp_path: Path) -> None:
    ended = run_pytest(tmp_path, "crashes", "--covered", "75", "--numprocesses", "1")
    assert ended.returncode == TOO_LITTLE, ended.stdout + ended.stderr
    assert "a worker crashed, and what it counted is lost" in ended.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["test", "test-both"])
@pytest.mark.parametrize(
    ("statuses", "runs", "fails"),
    [
        ((0,), 1, False),
        ((1, 0), 2, False),
        ((1, 1), 2, True),
        ((1, 5), 2, True),
        ((2, 0), 1, True),
        ((TOO_LITTLE, 0), 1, True),
    ],
)
def test_only_failed_tests_run_again(
    tmp_path: Path, target: str, statuses: tuple[int, ...], runs: int, *, fails: bool
) -> None:
    """A program in the place of Python exits with these statuses in turn."""
    for number, status in enumerate(statuses, start=1):
        (tmp_path / f"status-{number}").write_text(str(status))
    calls = tmp_path / "calls"
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        f'exit "$(cat {tmp_path}/status-"$(wc -l < {calls} | tr -d " ")")"\n'
    )
    python.chmod(0o755)
    made = subprocess.run(
        ("make", "--old-file=.venv/ready-dev", target, f"BIN={tmp_path}"),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=False,
    )
    asked = calls.read_text().splitlines()
    assert len(asked) == runs, made.stderr
    assert ["--last-failed" in each for each in asked] == [False, True][:runs]
    assert (made.returncode != 0) is fails
