"""Schedulers with short waits, and works that tell what they did."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from gitpip.runtime.scheduler import Scheduler, Timing

PATIENCE = 60  # seconds; reached only when something is broken
NEVER = 10 * PATIENCE


def quick(dsn: str | None, grace: float = 3, take_over_after: float = NEVER) -> Scheduler:
    """A scheduler whose timers suit tests.

    Unless a test is about it, nobody is taken for dead who just was not given the processor.
    """
    return Scheduler(
        dsn,
        Timing(
            grace=timedelta(seconds=grace),
            take_over_after=timedelta(seconds=take_over_after),
            look_every=timedelta(seconds=0.3),
            retry_after=timedelta(seconds=0.1),
            retry_at_most=timedelta(seconds=0.4),
            prune_every=timedelta(seconds=0.3),
        ),
    )


@asynccontextmanager
async def running(*engines: Scheduler) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(scheduler.run()) for scheduler in engines]
    try:
        yield
    finally:
        for scheduler in engines:
            scheduler.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Work:
    """A handler that counts its runs, and lasts until it is released."""

    def __init__(self, *, free: bool = False) -> None:
        self.begun = self.ended = self.active = self.most_active = 0
        self.release = asyncio.Semaphore(10**9 if free else 0)
        self.times: list[float] = []

    async def __call__(self) -> None:
        self.begun += 1
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        self.times.append(time.time())
        try:
            await self.release.acquire()
            self.ended += 1
        finally:
            self.active -= 1

    async def begin(self, run: int) -> None:
        """Wait until that many runs have begun."""
        await until(lambda: self.begun == run)


@pytest.fixture(params=["memory", "postgres"])
async def dsn(request: pytest.FixtureRequest) -> str | None:
    """Where the queue is: None in memory, else in a database made ready."""
    if request.param == "memory":
        return None
    address: str = request.getfixturevalue("postgres_dsn")
    await quick(address).install()
    return address


@pytest.fixture
async def shared(postgres_dsn: str) -> str:
    """A queue that several engines can share."""
    await quick(postgres_dsn).install()
    return postgres_dsn


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    with capture_logs() as events:
        yield events


def count(events: list[EventDict], name: str) -> int:
    return sum(event["event"] == name for event in events)
