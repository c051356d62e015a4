"""The processes of gitpip in a drill: started, killed without a warning, started again."""

import asyncio
import random
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from gitpip.errors import ServiceFailed

GOES_WITHIN: Final = timedelta(seconds=30)
"""A process that was asked to end has this long."""
TOO_MANY_FAILURES: Final = 5
"""A replica that ended so often without being killed won't run at all."""


@dataclass(frozen=True)
class _AtWork:
    """All of them work."""

    since: float
    """The time of the last kill, by the clock of `kill_if_due`."""
    delivered: int
    """The number of files in Pipedrive then."""


@dataclass
class Replicas:
    """All processes of the drill that do gitpip's work."""

    folder: Path
    environment: Mapping[str, str]
    command: Sequence[str]
    """Starts one of them. It logs `service.started` to its output once it works."""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    kills: int = 0
    ended: int = 0
    """The number of processes that ended without a kill."""
    _at_work: _AtWork | None = None
    """None while one of them starts."""
    _logged: list[int] = field(default_factory=list)
    """The length of each process's log when it was last started."""

    def start(self, number: int) -> None:
        """Start this many."""
        for index in range(number):
            self._logged.append(0)
            self.running.append(self._started(index))

    def _started(self, index: int) -> subprocess.Popen[bytes]:
        with self._log(index).open("ab") as log:
            self._logged[index] = log.tell()
            return subprocess.Popen(  # noqa: S603 - ourselves
                self.command,
                stdin=subprocess.PIPE,  # it ends when this does, whatever becomes of us
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
            )

    def _log(self, index: int) -> Path:
        return self.folder / f"replica-{index + 1}.log"

    def keep(self) -> None:
        """Start again what ended. Raises ServiceFailed where that happens again and again."""
        for index, process in enumerate(self.running):
            if process.poll() is not None:
                self.ended += 1
                if self.ended >= TOO_MANY_FAILURES:
                    log = self._log(index).read_text(errors="replace").strip()
                    last = log.splitlines()[-1] if log else f"exit code {process.returncode}"
                    raise ServiceFailed(f"gitpip serve does not run in the drill: {last}")
                self._replace(index)

    def kill_if_due(
        self, every: timedelta, delivered: int, chance: random.Random, now: float
    ) -> None:
        """Kill one and start it again, if that is due; `now` tells seconds.

        Before each kill, all have started, worked for `every`, and brought another file to
        Pipedrive, which has so many `delivered`. By the clock alone, a slow machine would kill
        them before they do anything.
        """
        if self._at_work is None:
            if all(map(self._has_started, range(len(self.running)))):
                self._at_work = _AtWork(now, delivered)
            return
        late_enough = now - self._at_work.since >= every.total_seconds()
        if late_enough and delivered > self._at_work.delivered:
            self._kill(chance.randrange(len(self.running)))

    def _kill(self, index: int) -> None:
        self.running[index].kill()
        self.running[index].wait()
        self.kills += 1
        self._replace(index)

    def _has_started(self, index: int) -> bool:
        """Return whether one has logged its start since it was last started."""
        with self._log(index).open("rb") as log:
            log.seek(self._logged[index])
            return b"service.started" in log.read()

    def _replace(self, index: int) -> None:
        _close(self.running[index])
        self.running[index] = self._started(index)
        self._at_work = None

    async def stop(self) -> None:
        """Stop all of them as a supervisor would: they finish what they do."""
        for process in self.running:
            process.terminate()
        for process in self.running:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, GOES_WITHIN.total_seconds())

    def end(self) -> None:
        """End all of them at once."""
        for process in self.running:
            process.kill()
            process.wait()
            _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
