"""The processes of gitpip in a drill: started, killed without a warning, started again."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from gitpip.drill.replica import WITHOUT_RECONCILIATION
from gitpip.errors import ServiceFailed

GOES_WITHIN: Final = timedelta(seconds=30)
"""A process that was asked to end has this long."""
TOO_MANY_FAILURES: Final = 5
"""A replica that ended so often without being killed won't run at all."""


@dataclass
class Replicas:
    """All processes of the drill that do gitpip's work."""

    folder: Path
    environment: Mapping[str, str]
    reconciles: bool
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    kills: int = 0
    ended: int = 0
    """How many ended though nobody had killed them."""

    def start(self, number: int) -> None:
        """Start so many."""
        self.running += [self._started(each) for each in range(1, number + 1)]

    def _started(self, number: int) -> subprocess.Popen[bytes]:
        options = () if self.reconciles else (WITHOUT_RECONCILIATION,)
        with self._log(number).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", "gitpip.drill.replica", *options],
                stdin=subprocess.PIPE,  # it ends when this does, whatever becomes of us
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
            )

    def _log(self, number: int) -> Path:
        return self.folder / f"replica-{number}.log"

    def keep(self) -> None:
        """Start again what ended. Raises ServiceFailed where that happens again and again."""
        for index, process in enumerate(self.running):
            if process.poll() is not None:
                self.ended += 1
                if self.ended >= TOO_MANY_FAILURES:
                    log = self._log(index + 1).read_text(errors="replace").strip()
                    last = log.splitlines()[-1] if log else f"exit code {process.returncode}"
                    raise ServiceFailed(f"gitpip serve does not run in the drill: {last}")
                self._replace(index)

    async def kill_again_and_again(self, every: timedelta, chance: random.Random) -> None:
        """Kill one after another and start it again at once, with so much time between.

        The time begins when the one killed last works again: on a slow machine, a single process
        would otherwise be killed before it has begun each time.
        """
        while True:
            await asyncio.sleep(every.total_seconds())
            index = chance.randrange(len(self.running))
            self.running[index].send_signal(signal.SIGKILL)
            await asyncio.to_thread(self.running[index].wait)
            self.kills += 1
            logged = self._log(index + 1).stat().st_size
            self._replace(index)
            await self._works(index, logged)

    async def _works(self, index: int, logged: int) -> None:
        """Return once one has started, by what it logged from there on, or ended."""
        while self.running[index].poll() is None:
            with self._log(index + 1).open("rb") as log:
                log.seek(logged)
                if b"service.started" in log.read():
                    return
            await asyncio.sleep(0.1)

    def _replace(self, index: int) -> None:
        _close(self.running[index])
        self.running[index] = self._started(index + 1)

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
