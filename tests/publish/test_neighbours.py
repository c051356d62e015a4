"""Whatever fails for a few of the publications or deals, the others are as quick and as cheap."""

import asyncio
import shutil
import statistics
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gitpip.model import PublicationState
from gitpip.store.database import open_database
from gitpip.store.publications import publications
from gitpip_standins import Fault, FaultKind, Server
from gitpip_standins import Pipedrive as Crm
from tests.conftest import PostgresServer
from tests.support.scene import INSTANT, TOKEN, Clock, Process, Scene, make_hands

pytestmark = pytest.mark.long

FILES, USERS = 100, 20
EVERY = timedelta(milliseconds=500)
READING = timedelta(milliseconds=40)
"""Passes each time the stand-in reads the clock, which makes some 0.1 s for a request."""
BAD_FILES = ("23.py", "37.py", "52.py", "78.py", "95.py")
"""One in twenty. The first file of a user makes the deal, and none of these is one."""
BAD_USER = "u7"
PASSING = (
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.cut(),
    Fault.broken_json(),
    Fault.error(500),
    Fault.error(500, processed=True),
    Fault.html(403),
    Fault.html(502),
    Fault.html(504, processed=True),
    Fault.html(200, processed=True),
    Fault(FaultKind.ERROR, processed=False, status=200),
    Fault(FaultKind.ERROR, processed=False, status=403),
)
LASTING = (
    *(Fault(FaultKind.ERROR, processed=False, status=status) for status in (400, 401, 402, 403)),
    *(Fault(FaultKind.ERROR, processed=False, status=status) for status in (200, 404, 500)),
    Fault.drop(),
    Fault.html(403),
    Fault.html(502),
)
"""A 429 is in neither: it announces a limit that is everybody's, and everybody has to wait. One
that hangs ends as `Ambiguous`, as one that is dropped does, after twenty true seconds."""


class Passing(Clock):
    """The stand-in's clock, which everybody shares: requests take time."""

    def __init__(self, shared: Clock) -> None:
        self._shared = shared

    def __call__(self) -> datetime:
        self._shared.advance(READING)
        return self._shared.now


class Which(StrEnum):
    """What a fault is about."""

    FILES = "one in twenty files"
    DEAL = "one of twenty deals"
    REQUESTS = "one in twenty requests about activities, by a seeded chance"


@dataclass(frozen=True)
class Trial:
    """What goes wrong, once for each or always."""

    fault: Fault
    which: Which
    lasting: bool = False


trials = st.one_of(
    st.builds(Trial, st.sampled_from(PASSING), st.sampled_from(Which)),
    st.builds(
        Trial, st.sampled_from(LASTING), st.sampled_from([Which.FILES, Which.DEAL]), st.just(True)
    ),
)
AT_RANDOM = Trial(Fault.html(502), Which.REQUESTS)
ALWAYS = Trial(Fault.html(502), Which.FILES, lasting=True)
SEED = 9
"""With it more than one in twenty files meet a fault, and a list does."""


@dataclass(frozen=True)
class Result:
    """The 95th percentile of how long the others took, in seconds, and the tokens of all."""

    p95: float
    tokens: int


class OnSqlite:
    """Makes databases that are copies of an empty one."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._empty = folder, folder / "empty.sqlite3"
        asyncio.run(_migrate(f"sqlite+aiosqlite:///{self._empty}"))

    def url(self) -> str:
        path = Path(tempfile.mkdtemp(dir=self._folder)) / "gitpip.sqlite3"
        shutil.copy(self._empty, path)
        return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> OnSqlite:
    return OnSqlite(tmp_path_factory.mktemp("neighbours"))


@pytest.fixture(scope="module")
def usual(on_sqlite: OnSqlite) -> "Result":
    """Without any fault; the clock is moved by requests alone, so it is the same on PostgreSQL."""
    return asyncio.run(_publish(on_sqlite.url(), None))


def test_neighbours_of_what_fails_on_sqlite(on_sqlite: OnSqlite, usual: "Result") -> None:
    @settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
    @example(AT_RANDOM)
    @example(ALWAYS)
    @given(trials)
    def neighbours_are_as_quick_and_cheap(trial: Trial) -> None:
        assert_neighbours_do_not_pay(asyncio.run(_publish(on_sqlite.url(), trial)), usual)

    neighbours_are_as_quick_and_cheap()


def test_neighbours_of_what_fails_on_postgresql(postgres: PostgresServer, usual: "Result") -> None:
    name = f"neighbours_{uuid4().hex}"
    postgres.psql(f"CREATE DATABASE {name};")
    url = postgres.get_uri(name).replace("postgresql://", "postgresql+asyncpg://", 1)
    asyncio.run(_migrate(url))
    assert_neighbours_do_not_pay(asyncio.run(_publish(url, ALWAYS)), usual)


def assert_neighbours_do_not_pay(result: "Result", usual: "Result") -> None:
    assert result.p95 <= 1.2 * usual.p95
    assert result.tokens <= 1.5 * usual.tokens


async def _publish(url: str, trial: Trial | None) -> Result:
    """Let a file appear every few seconds; publish each at once, and then what is left."""
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
            tokens = crm.limits.spent_today
            assert all(there == 1 for there in scene.activities().values())
            return Result(await _p95_of_the_others(scene, trial), tokens)
        finally:
            await scene.close()


def _script(crm: Crm, trial: Trial) -> None:
    times = None if trial.lasting else 1
    match trial.which:
        case Which.REQUESTS:
            crm.faults.chance(0.05, [trial.fault], seed=SEED, path="activities$")
        case Which.DEAL:
            about = f'"{BAD_USER}"'
            crm.faults.script(trial.fault, method="POST", path="deals$", about=about, times=times)
        case Which.FILES:
            for name in BAD_FILES:
                crm.faults.script(
                    trial.fault,
                    method="POST",
                    path="activities$",
                    about=_about(name).replace(".", r"\."),
                    times=times,
                )


def _about(filename: str) -> str:
    """What stands in the request that sends a file, and in no other."""
    return f'"{filename} '


async def _run_until(scene: Scene, process: Process, end: datetime) -> None:
    """Publish whenever something is due before `end`, and move the clock there."""
    while True:
        await process.run()
        async with scene.database.read() as transaction:
            due = await publications.next_due(transaction)
        pause = await scene.pause()
        wake_at = max(due, pause.until) if due and pause else due
        if wake_at is None or wake_at >= end:
            break
        scene.clock.now = max(scene.clock.now, wake_at) + INSTANT
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


async def _migrate(url: str) -> None:
    database = open_database(url)
    await database.migrate()
    await make_hands(database)
    await database.close()
