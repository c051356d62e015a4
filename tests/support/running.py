"""A gitpip as people run it: the real command in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, ClassVar, Protocol, TypeVar

import httpx2
import psutil

from tests.support.forked import INHERITED, Forked

Found = TypeVar("Found")

GITPIP = Path(sys.executable).with_name("gitpip")
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.25
"""Between two looks for something, in seconds."""
READ_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "TZ")
"""How the names begin of what Python reads before it loads anything."""


class Process(Protocol):
    """What is used of a process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...

    def send_signal(self, number: signal.Signals, /) -> None: ...


@dataclass
class Installation:
    """The settings of one gitpip, and its running process, if any."""

    loaded_once: ClassVar[bool] = False
    """Whether processes are forked from one that has loaded gitpip, as tests do to save time."""

    left: ClassVar[list[Process]] = []
    """Processes that were told to stop, and may not have ended."""

    folder: Path
    environment: Mapping[str, str]
    process: Process | None = None
    url: str = ""
    inherits: bool = False
    """Whether its processes inherit what ours may and may not do, so that none is forked."""
    program: Path = GITPIP
    """How gitpip is called."""

    @property
    def log_file(self) -> Path:
        return self.folder / "log.jsonl"

    def start(self, *options: str) -> None:
        """Start `gitpip serve` and wait until it is ready."""
        with self.log_file.open("ab") as log:
            from_here = log.tell()
            self.process = self.begin("serve", *options, output=log)
        started = self.wait_for(
            lambda: next(
                (e for e in self.events(from_here) if e["event"] == "service.started"), None
            ),
            "the service to start",
        )
        self.url = str(started["address"])

    @property
    def code(self) -> str:
        """What the running process asks for when the first key is made, from what it printed."""
        self.get("/health")  # it prints before it answers
        printed = re.findall(r"^No access key .*: (\w+)$", self.log_file.read_text(), re.MULTILINE)
        return str(printed[-1])

    def kill(self) -> None:
        """kill -9."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM, as a supervisor sends it; give the exit code."""
        assert self.process
        self.send(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def leave(self) -> None:
        """Stop a process that the test is done with, if any; `wait_for_left` sees it end.

        That takes some two seconds where it waits for its turn with Pipedrive. Only the end of one
        on PostgreSQL is waited for here, as its database is dropped next.
        """
        if self.process is None:
            return
        if self.environment.get("GITPIP_DATABASE_URL", "").startswith("sqlite"):
            self.send(signal.SIGTERM)
            # To ask closes the pipes of those that have ended.
            self.left[:] = [one for one in (*self.left, self.process) if one.poll() is None]
        else:
            self.stop()

    @classmethod
    def wait_for_left(cls) -> None:
        """Wait until every process has ended that was left."""
        while cls.left:
            cls.left.pop().wait(timeout=60)

    def processor_time(self) -> float:
        """How many seconds of a processor the process has used; others on it don't count."""
        assert self.process
        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another gitpip command while it runs."""
        with NamedTemporaryFile() as output, NamedTemporaryFile() as errors:
            process = self.begin(*arguments, output=output, errors=errors)
            try:
                code = process.wait(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            said = [Path(file.name).read_text() for file in (output, errors)]
        return subprocess.CompletedProcess([self.program, *arguments], code, *said)

    def begin(
        self,
        *arguments: str,
        output: IO[bytes] | int,
        errors: IO[bytes] | int | None = None,
        given: int = subprocess.DEVNULL,
    ) -> Process:
        """Begin a gitpip command: what it reads, and where it writes, stays open here."""
        read_at_start = any(name.startswith(READ_AT_START) for name in self.environment)
        forked = self.loaded_once and not self.inherits and not read_at_start
        start = Forked if forked else subprocess.Popen
        return start(
            [self.program, *arguments],
            cwd=self.folder,
            env=self._full(),
            stdin=given,
            stdout=output,
            stderr=output if errors is None else errors,
        )

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return httpx2.get(self.url + path, headers=headers)

    def request(self, method: str, path: str) -> httpx2.Response:
        return httpx2.request(method, self.url + path)

    def post(self, path: str) -> httpx2.Response:
        return httpx2.post(self.url + path)

    def events(self, offset: int = 0) -> list[dict[str, object]]:
        """Every event logged so far, from a position of the log file on."""
        with self.log_file.open("rb") as log:
            log.seek(offset)
            # The last line may be on its way still.
            whole, _, _ = log.read().rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines() if line[:1] == b"{"]

    def logged(self, event: str) -> list[dict[str, object]]:
        """Every event of one kind logged so far."""
        return [e for e in self.events() if e["event"] == event]

    def wait_for(self, look: Callable[[], Found | None], what: str, seconds: float = 60) -> Found:
        """Look again and again until something is found; fail with the log when time is over.

        Ever less often, as a look is a request or reads the whole log: what is waited for needs
        the processor, too.
        """
        deadline = time.monotonic() + seconds
        pause = FIRST_PAUSE
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(pause)
            pause = min(pause * 1.25, LONGEST_PAUSE)
        raise AssertionError(
            f"waited {seconds} s for {what}:\n" + self.log_file.read_text()[-4000:]
        )

    def _full(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**inherited, **self.environment}
