"""What ails a scheduler: work that is stuck or keeps failing here, and nothing that others do."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gitpip.errors import DatabaseUnavailable
from gitpip.observability.watchdog import step
from gitpip.runtime.scheduler import Scheduler
from tests.runtime.conftest import Work, quick, running, until

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

PATIENCE = timedelta(seconds=0.5)
LONGER = timedelta(seconds=2)
"""Where work must not be named that just was not given the processor."""


def told_of(work: str, scheduler: Scheduler, patience: timedelta = PATIENCE) -> list[str]:
    """What is said of a work. On a busy machine the scheduler itself may ail for a moment."""
    return [ailment for ailment in scheduler.health_problems(patience) if ailment.startswith(work)]


@pytest.fixture(params=["memory", "postgres"])
async def scheduler(request: pytest.FixtureRequest) -> Scheduler:
    """A scheduler on each kind of queue."""
    dsn = None if request.param == "memory" else request.getfixturevalue("postgres_dsn")
    scheduler = quick(dsn)
    await scheduler.install()
    return scheduler


async def test_work_that_is_stuck_is_named_until_it_ends(scheduler: Scheduler) -> None:
    works = Work()
    scheduler.register("check", works)
    async with running(scheduler):
        await scheduler.notify("check")
        await works.begin(1)
        assert told_of("check", scheduler, LONGER) == []
        await until(lambda: told_of("check", scheduler, LONGER) != [])
        [ailment] = told_of("check", scheduler, LONGER)
        assert ailment.startswith("check has made no progress for ")
        works.release.release()
        await until(lambda: scheduler.health_problems(PATIENCE) == ())


async def test_work_that_comes_further_may_last(scheduler: Scheduler) -> None:
    said: list[str] = []
    ended = asyncio.Event()

    async def publish() -> None:
        async def one_after_the_other() -> None:
            for _ in range(15):
                await asyncio.sleep(LONGER.total_seconds() / 10)
                step()
                said.extend(told_of("publish", scheduler, LONGER))

        await asyncio.create_task(one_after_the_other())
        ended.set()

    scheduler.register("publish", publish)
    async with running(scheduler):
        await scheduler.notify("publish")
        await asyncio.wait_for(ended.wait(), 60)
    assert said == []


async def test_work_that_keeps_failing_is_named_without_the_errors_own_words(
    scheduler: Scheduler,
) -> None:
    works = asyncio.Event()

    async def check() -> None:
        if not works.is_set():
            raise DatabaseUnavailable("no way to secret-host")

    scheduler.register("check", check)
    async with running(scheduler):
        await scheduler.notify("check")
        await until(lambda: told_of("check", scheduler) != [])
        [ailment] = told_of("check", scheduler)
        assert "check has failed" in ailment
        assert "The database can't be reached, opened or written." in ailment
        assert "secret-host" not in ailment
        works.set()
        await until(lambda: scheduler.health_problems(PATIENCE) == ())


async def test_a_single_failure_is_not_named_however_long_ago_it_was() -> None:
    """As when PostgreSQL restarts, and another replica takes the work over for a while."""
    scheduler, failed = Scheduler(), asyncio.Event()

    async def publish() -> None:
        failed.set()
        scheduler.stop()
        raise DatabaseUnavailable("the database system is shutting down")

    scheduler.register("publish", publish)
    await scheduler.notify("publish")
    async with running(scheduler):
        await asyncio.wait_for(failed.wait(), 60)
    # That nothing is said can't be awaited.
    await asyncio.sleep(2 * PATIENCE.total_seconds())
    assert told_of("publish", scheduler) == []


async def test_another_replicas_trouble_is_none_of_ours(postgres_dsn: str) -> None:
    stuck, idle = quick(postgres_dsn), quick(postgres_dsn)
    await stuck.install()
    works = Work()
    stuck.register("publish", works)
    idle.register("publish", works)
    async with running(stuck):
        await stuck.notify("publish")
        await works.begin(1)
        async with running(idle):
            await until(lambda: told_of("publish", stuck) != [])
            assert told_of("publish", idle) == []
        works.release.release()


async def test_a_failure_taken_over_by_another_replica_lapses(postgres_dsn: str) -> None:
    failing, helpful = quick(postgres_dsn), quick(postgres_dsn)
    await failing.install()
    helped = Work(free=True)

    async def fail() -> None:
        raise DatabaseUnavailable("not from here")

    failing.register("publish", fail)
    helpful.register("publish", helped)
    async with running(failing):
        await failing.notify("publish")
        await until(lambda: told_of("publish", failing) != [])
        async with running(helpful):
            await until(lambda: helped.ended > 0)
            await until(lambda: failing.health_problems(PATIENCE) == ())


async def test_an_engine_without_its_database_says_so(
    postgres: "PostgresServer", postgres_dsn: str
) -> None:
    scheduler = quick(postgres_dsn)
    await scheduler.install()
    scheduler.register("check", Work(free=True))
    async with running(scheduler):
        await until(lambda: scheduler.healthy)
        await asyncio.to_thread(postgres.stop)
        try:
            await until(lambda: scheduler.health_problems(timedelta(seconds=1)) != ())
            [ailment] = scheduler.health_problems(timedelta(seconds=1))
            assert ailment.startswith("the scheduler has not looked for work for ")
        finally:
            await asyncio.to_thread(postgres.ensure_postgres_running)
        await until(lambda: scheduler.health_problems(timedelta(seconds=1)) == ())
