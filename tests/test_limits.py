"""A test that hangs ends, also where it hangs in what it cleans up after a failure."""

import os
import subprocess
import sys
from pathlib import Path

FAILS_AND_HANGS = """
import threading
import pytest

@pytest.fixture
def cleaned_up():
    yield
    threading.Event().wait(20)

def test_fails(cleaned_up):
    assert False
"""
ROOT = Path(__file__).parents[1]


def test_a_fixture_that_hangs_after_a_failure_ends_the_run(tmp_path: Path) -> None:
    file = tmp_path / "test_hanging.py"
    file.write_text(FAILS_AND_HANGS)
    plugins = ["-p", "pytest_timeout", "-p", "tests.support.limits"]
    limit = ["--timeout", "0.5", "--timeout-method", "thread"]

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", tmp_path, *plugins, *limit, file],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert "+ Timeout +" in run.stdout
    assert run.returncode == 1
