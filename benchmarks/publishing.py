"""How long publishing takes while requests fail, as ratios to a run without failures.

`python -m benchmarks.publishing` publishes 120 files of one user in each of several situations, at
the limits of Pipedrive's smallest plan and with the default time-out, in real time and side by
side. It takes about two minutes: what never arrived is sent again only when four time-outs (80 s)
have passed, so that wait is most of the time where a write is lost before it is processed.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from gitpip.standin import Fault, FaultKind, Pipedrive, Server
from gitpip.store import publications
from gitpip.store.database import open_database
from gitpip.worker import SWEEP
from tests.publish.scene import TOKEN, Process, RealTime, Scene

FILES = 120
GIVE_UP = timedelta(minutes=5)


@dataclass(frozen=True)
class Situation:
    """What goes wrong with the requests that create activities."""

    name: str
    chance: float = 0.0
    """How likely each of them fails; 1 fails them as `faults` says, one after the other."""
    faults: Sequence[Fault] = ()
    files: int = FILES


SITUATIONS = (
    Situation("no failures"),
    Situation("the answer to 1 write in 4 is lost", 1 / 4, [Fault.drop(processed=True)]),
    Situation("1 HTML 502 in 30, processed", 1 / 30, [Fault.html(502, processed=True)]),
    Situation("1 HTML 502 in 30, not processed", 1 / 30, [Fault.html(502)]),
    Situation(
        "ten files, every third write gets a 429 with a reset of 2 s",
        1,
        [
            Fault.slow(timedelta(0)),
            Fault.slow(timedelta(0)),
            Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}),
        ],
        files=10,
    ),
)


@dataclass(frozen=True)
class Measured:
    """What a situation cost, in seconds and tokens."""

    seconds: float
    tokens: int
    failed: int
    missing: int
    abuse: int


async def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    migrating = asyncio.Lock()
    measured = await asyncio.gather(*(_measure(each, migrating) for each in SITUATIONS))
    base = measured[0]
    print(f"{'':64} {'time':>7} {'ratio':>6} {'tokens':>7} {'ratio':>6}  failures")
    for situation, run in zip(SITUATIONS, measured, strict=True):
        same = situation.files == FILES
        ratios = (run.seconds / base.seconds, run.tokens / base.tokens)
        slower, dearer = (f"{ratio:.1f}" if same else "" for ratio in ratios)
        print(
            f"{situation.name:64} {run.seconds:5.0f} s {slower:>6} {run.tokens:7} {dearer:>6}"
            f"  {run.failed}"
            + (f", {run.missing} MISSING OR DOUBLED" if run.missing else "")
            + (f", {run.abuse} times beyond a limit" if run.abuse else "")
        )


async def _measure(situation: Situation, migrating: asyncio.Lock) -> Measured:
    crm = Pipedrive(token=TOKEN)
    if situation.chance == 1:
        crm.faults.script(*situation.faults, method="POST", path="activities$", times=None)
    elif situation.chance:
        crm.faults.chance(
            situation.chance, situation.faults, seed=7, method="POST", path="activities$"
        )
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(Server(crm.app))
        url = f"sqlite+aiosqlite:///{Path(folder)}/gitpip.sqlite3"
        database = open_database(url)
        async with migrating:  # Alembic's context is global
            await database.migrate()
        timeout = timedelta(seconds=20)
        scene = Scene(database, url, crm, server.url, RealTime(), timeout=timeout)
        stack.push_async_callback(scene.close)
        await scene.find_files("ada", *(f"{number}.py" for number in range(situation.files)))
        started = time.monotonic()
        await _publish(scene, await scene.process())
        seconds = time.monotonic() - started
        markers = {row.marker for row in await scene.rows()}
        there = scene.activities()
        failed = [each for each in crm.faults.injected if each.fault.kind is not FaultKind.SLOW]
        wrong = sum(there[marker] != 1 for marker in markers)
        return Measured(seconds, crm.limits.spent_today, len(failed), wrong, len(crm.abuse))


async def _publish(scene: Scene, process: Process) -> None:
    """Publish as the service does: a run whenever the sweep finds something due."""
    end = time.monotonic() + GIVE_UP.total_seconds()
    while time.monotonic() < end:
        if await process.publisher.due():
            await process.run()
        async with scene.database.read() as transaction:
            if await publications.next_due(transaction) is None:
                return
        await asyncio.sleep(SWEEP.total_seconds())


if __name__ == "__main__":
    asyncio.run(main())
