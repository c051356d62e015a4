"""Ctrl-C while gitpip is loaded."""

import signal
import subprocess
import sys


def test_ctrl_c_during_the_imports_ends_it_without_a_traceback() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "gitpip", "--version"]
    # A small pipe holds it up among its imports until we have read what it wrote.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pipesize=4096
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rstrip().endswith(" sqlalchemy"):
                process.send_signal(signal.SIGINT)
                break
        said, written = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGINT
    assert said == ""
    assert "Traceback" not in written
