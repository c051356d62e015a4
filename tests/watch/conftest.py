"""A GitHub on a socket, a database, a clock that can be moved, and a watcher between them."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gitpip.store.database import Database, open_database
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.rate_limits import Allowance
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.support.tokens import TOKEN
from tests.watch.script import Script

INTERVAL = timedelta(hours=3)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> Iterator[StandIn]:
    """GitHub's stand-in; the test ends with a look at what GitHub would call abuse."""
    world = StandIn(tokens={TOKEN}, clock=clock, points_a_minute=None)
    yield world
    assert world.abuse == []


@pytest.fixture
def server(world: StandIn) -> Iterator[Server]:
    with Server(world.app) as server:
        yield server


@pytest.fixture
async def github(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with GitHub(
        api_url=server.url, token=TOKEN, timeout=timedelta(seconds=60), now=clock
    ) as github:
        yield github


@asynccontextmanager
async def sweeping(server: Server, clock: Clock, *, share: float = 1.0) -> AsyncIterator[GitHub]:
    """A client that asks about many users at once."""
    async with GitHub(
        api_url=server.url,
        graphql_url=f"{server.url}/graphql",
        token=TOKEN,
        timeout=timedelta(seconds=60),
        allowance=Allowance(share),
        now=clock,
    ) as github:
        yield github


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    yield database
    await database.close()


@pytest.fixture
def watcher(database: Database, github: GitHub, clock: Clock) -> Watcher:
    return Watcher(database, github, rules=Rules(interval=INTERVAL), now=clock)


@pytest.fixture
def script() -> Script:
    return Script()


def client(url: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> GitHub:
    return GitHub(api_url=url, token=TOKEN, timeout=timedelta(seconds=60), now=now)
