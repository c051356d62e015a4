"""Whatever fails for a few of the publications or deals, the others are as quick and as cheap."""

import asyncio
import json
import re
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from pathlib import Path

import pytest

from gitpip.model import PublicationState
from gitpip.store.database import open_database
from gitpip.store.publications import publications
from gitpip_standins import Fault, FaultKind, Server
from gitpip_standins import Pipedrive as Crm
from tests.support.clocks import Clock
from tests.support.mortal_database import make_hands
from tests.support.scene import INSTANT, Process, Scene
from tests.support.shared import made_once
from tests.support.tokens import TOKEN

pytestmark = pytest.mark.long

FILES, USERS = 100, 20
EVERY = timedelta(milliseconds=500)
READING = timedelta(milliseconds=40)
"""Passes each time the stand-in reads the clock, which makes some 0.1 s for a request."""
BAD_FILES = ("23.py", "37.py", "52.py", "78.py", "95.py")
"""One in twenty. The first file of a user makes the deal, and none of these is one."""
BAD_USER = "u7"


class Passing(Clock):
    """The stand-in's clock, which everybody shares: requests take time."""

    def __init__(self, shared: Clock) -> None:
        self._shared = shared

    def __call__(self) -> datetime:
        self._shared.advance(READING)
        return self._shared.now


class Which(StrEnum):
    """What the faults are about."""

    FILES = "one in twenty files"
    DEAL = "one of twenty deals"
    REQUESTS = "one in twenty requests about activities, by a seeded chance"


@dataclass(frozen=True)
class Trial:
    """What goes wrong: for each victim, the faults that it meets one after the other."""

    which: Which
    faults: Sequence[Sequence[Fault]]
    lasting: bool = False
    """Whether a victim meets them again and again."""
    database: str = "sqlite"

    def __str__(self) -> str:
        first = self.faults[0][0]
        length = "lasting" if self.lasting else "passing"
        return f"{self.database}-{self.which.name}-{length}-{first.kind}-{first.status}"


def refused(status: int) -> Fault:
    """An error in Pipedrive's own JSON; with 200 it is an answer that says it has failed."""
    return Fault(FaultKind.ERROR, processed=False, status=status)


TRIALS = (
    # What was not processed is sent again, and then it meets a fault once more.
    Trial(
        Which.FILES,
        (
            (Fault.drop(), Fault.html(200, processed=True)),
            (Fault.error(500), Fault.cut()),
            (Fault.html(403), Fault.broken_json()),
            (Fault.html(502), Fault.error(500, processed=True)),
            (refused(200), refused(403), Fault.html(504, processed=True)),
        ),
        database="postgres",
    ),
    Trial(Which.FILES, [[refused(status)] for status in (400, 401, 402, 403, 404)], lasting=True),
    Trial(
        Which.FILES,
        ([refused(200)], [refused(500)], [Fault.drop()], [Fault.html(403)], [Fault.html(502)]),
        lasting=True,
        database="postgres",
    ),
    Trial(Which.DEAL, [(Fault.drop(), Fault.html(502), Fault.drop(processed=True))]),
    Trial(Which.DEAL, [[refused(404)]], lasting=True, database="postgres"),
    Trial(Which.DEAL, [[refused(500)]], lasting=True),
    Trial(Which.DEAL, [[Fault.html(403)]], lasting=True),
    Trial(
        Which.REQUESTS,
        [
            (
                *(Fault.drop(), Fault.drop(processed=True), Fault.cut(), Fault.broken_json()),
                *(Fault.error(500), Fault.error(500, processed=True), refused(200), refused(403)),
                *(Fault.html(403), Fault.html(502), Fault.html(504, processed=True)),
                Fault.html(200, processed=True),
            )
        ],
    ),
)
"""Together they hold every kind of fault, once and always, on both databases. A 429 is in none: it
announces a limit that is everybody's, and everybody has to wait. One that hangs ends as
`Ambiguous`, as one that is dropped does, after twenty true seconds."""
SEED = 9
"""With it more than one in twenty files meet a fault, and a list does."""


@dataclass(frozen=True)
class Result:
    """The 95th percentile of how long the others took, in seconds, and the tokens of all."""

    p95: float
    tokens: int


@pytest.fixture(scope="module")
def usual(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> "Result":
    """Without any fault; the clock is moved by requests alone, so it is the same in all workers
    and on PostgreSQL.
    """

    def measure(kept: Path) -> None:
        path = tmp_path_factory.mktemp("usual") / "gitpip.sqlite3"
        shutil.copy(migrated_file, path)
        result = asyncio.run(_publish(f"sqlite+aiosqlite:///{path}", None))
        kept.write_text(json.dumps(asdict(result)))

    return Result(**json.loads(made_once(tmp_path_factory, "usual.json", measure).read_text()))


@pytest.mark.parametrize(
    ("database_url", "trial"),
    [pytest.param(trial.database, trial, id=str(trial)) for trial in TRIALS],
    indirect=["database_url"],
)
def test_neighbours_of_what_fails_are_as_quick_and_cheap(
    database_url: str, trial: Trial, usual: "Result"
) -> None:
    result = asyncio.run(_publish(database_url, trial))
    assert result.p95 <= 1.2 * usual.p95
    assert result.tokens <= 1.5 * usual.tokens


async def _publish(url: str, trial: Trial | None) -> Result:
    """Let a file appear twice a second; publish each at once, and then what is left."""
    clock = Clock()
    crm = Crm(
        token=TOKEN, clock=Passing(clock), daily_tokens=None, burst=100_000, search_burst=None
    )
    if trial is not None:
        _script(crm, trial)
    with Server(crm.app) as server:
        scene = Scene(
            open_database(url), url, crm, server.url, clock, timeout=timedelta(seconds=20)
        )
        try:
            await make_hands(scene.database)
            process = await scene.process()
            started = clock.now
            for number in range(FILES):
                await _run_until(scene, process, started + number * EVERY)
                await scene.find_files(f"u{number % USERS}", f"{number}.py")
                await process.run()
            # What fails for good is tried for some hours more, and then it is given up.
            await scene.settle(process, watched=True)
            if trial is None or not trial.lasting:
                await scene.assert_each_is_there_once()
            if trial is not None:
                met = {_name_of(injected.fault) for injected in crm.faults.injected}
                wanted = {_name_of(fault) for fault in chain.from_iterable(trial.faults)}
                assert met == wanted or (trial.which is Which.REQUESTS and met)
            tokens = crm.limits.spent_today
            assert all(there == 1 for there in scene.activities().values())
            return Result(await _p95_of_the_others(scene, trial), tokens)
        finally:
            await scene.close()


def _name_of(fault: Fault) -> str:
    return f"{fault} {fault.status}"


def _script(crm: Crm, trial: Trial) -> None:
    times = None if trial.lasting else 1
    if trial.which is Which.REQUESTS:
        crm.faults.chance(0.05, trial.faults[0], seed=SEED, path="activities$")
        return
    if trial.which is Which.DEAL:
        (faults,) = trial.faults
        about = f'"{BAD_USER}"'
        crm.faults.script(*faults, method="POST", path="deals$", about=about, times=times)
        return
    for name, faults in zip(BAD_FILES, trial.faults, strict=True):
        crm.faults.script(
            *faults,
            method="POST",
            path="activities$",
            about=re.escape(_about(name)),
            times=times,
        )


def _about(filename: str) -> str:
    """What stands in the request that sends a file, and in no other."""
    return f'"{filename} '


async def _run_until(scene: Scene, process: Process, end: datetime) -> None:
    """Publish whenever something is due before `end`, and move the clock there."""
    while True:
        async with scene.database.read() as transaction:
            due = await publications.next_due(transaction)
        pause = await scene.pause()
        wake_at = max(due, pause.until) if due and pause else due
        if wake_at is None or wake_at >= end:
            break
        scene.clock.now = max(scene.clock.now, wake_at) + INSTANT
        await process.run()
    scene.clock.now = max(scene.clock.now, end)


async def _p95_of_the_others(scene: Scene, trial: Trial | None) -> float:
    """Of those that no fault was about."""
    took = []
    met = [injected.text for injected in scene.crm.faults.injected]
    for row in await scene.rows():
        if any(_about(row.filename) in text for text in met):
            continue
        if trial is not None and trial.which is Which.DEAL and row.login == BAD_USER:
            continue
        assert row.state is PublicationState.PUBLISHED
        assert row.published_at is not None
        assert row.appeared_at is not None
        took.append((row.published_at - row.appeared_at).total_seconds())
    assert len(took) > FILES * 0.85
    return statistics.quantiles(took, n=20, method="inclusive")[-1]
