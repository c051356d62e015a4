"""gitpip's command in processes that are forked from one which has loaded it already.

Loading takes a second of a processor, more than all else that most tests do with a process. Each
is a process nevertheless, with arguments, an environment, signals and an exit code of its own.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import forkserver
from pathlib import Path
from typing import IO

INHERITED = ("PATH", "HOME", "PYTHONPATH", "COVERAGE_PROCESS_CONFIG")
"""What a gitpip gets from the environment of the tests."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.loaded"])


class Forked:
    """A process like one of `subprocess.Popen`, whose output is appended to files."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        outputs = (stdout.name, stderr.name)
        self._process = _context.Process(
            target=_run,
            args=([str(each) for each in arguments], cwd, dict(env), outputs),
            daemon=True,
        )
        with _only({name: env[name] for name in INHERITED if name in env}):
            forkserver.ensure_running()
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self._arguments = arguments
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, below zero after a signal; None while it runs."""
        if self._code is None:
            self._code = self._process.exitcode
            if self._code is not None:
                # Its pipes: some tests leave no more file handles than they need.
                self._process.close()
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code once it has ended; TimeoutExpired where it does not."""
        if self._code is None:
            self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired([*self._arguments], timeout or 0)
        return code

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            # Once it has ended, its number is free a moment before its exit code is here.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


@contextmanager
def _only(env: Mapping[str, str]) -> Iterator[None]:
    """Some modules read the environment when they are loaded."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _run(arguments: list[str], cwd: Path, env: dict[str, str], outputs: tuple[str, str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # which may be known from another environment
    for number, path in enumerate(outputs, start=1):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    sys.argv = arguments
    import_module("tests.support.loaded").main()
