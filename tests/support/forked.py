"""gitpip's command in processes that are forked from one which has loaded it already.

Loading takes a second of a processor, more than all else that most tests do with a process. Each
is a process nevertheless, with arguments, an environment, signals and an exit code of its own.
"""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import forkserver, reduction
from pathlib import Path
from typing import IO, Protocol

INHERITED = ("PATH", "HOME", "PYTHONPATH", "COVERAGE_PROCESS_CONFIG")
"""What a gitpip gets from the environment of the tests."""

_SIGNAL_WHEN_PARENT_ENDS = 1
"""PR_SET_PDEATHSIG of prctl(2), which Linux alone has."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.loaded"])


class _Duplicate(Protocol):
    def detach(self) -> int: ...


class _Sent:
    """An open file, of which the forked process gets a descriptor of its own."""

    def __init__(self, file: IO[bytes] | int) -> None:
        self.descriptor = file if isinstance(file, int) else file.fileno()

    def __reduce__(self) -> tuple[object, ...]:
        return _received, (reduction.DupFd(self.descriptor),)


def _received(duplicate: _Duplicate) -> _Sent:
    return _Sent(duplicate.detach())


class Forked:
    """A process like one of `subprocess.Popen`, in a session of its own."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: int,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int,
    ) -> None:
        streams = [
            None if each == subprocess.DEVNULL else _Sent(each) for each in (stdin, stdout, stderr)
        ]
        self._process = _context.Process(
            target=_run,
            args=([*map(str, arguments)], cwd, dict(env), streams),
            daemon=True,
        )
        # Not as `env`: others are forked from the same server.
        with _only({name: os.environ[name] for name in INHERITED if name in os.environ}):
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


def _end_with_the_server() -> None:
    """Leave no gitpip running for tests that crash: their fork server ends as they do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_WHEN_PARENT_ENDS, signal.SIGKILL)


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


def _run(arguments: list[str], cwd: Path, env: dict[str, str], streams: list[_Sent | None]) -> None:
    _end_with_the_server()
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # which may be known from another environment
    for number, sent in enumerate(streams):
        if sent is not None:  # otherwise it is the null device
            os.dup2(sent.descriptor, number)
            os.close(sent.descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    sys.argv = arguments
    import_module("tests.support.loaded").main()
