"""What ails an engine: work that is stuck or keeps failing here, and nothing that others do."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gitpip.errors import DatabaseUnavailable
from gitpip.observability.watchdog import step
from gitpip.runtime.scheduler import Engine
from tests.runtime.test_scheduler import Work, quick, running, until

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

PATIENCE = timedelta(seconds=0.5)
LONGER = timedelta(seconds=2)
"""Where work must not be named that just was not given the processor."""


def told_of(work: str, engine: Engine, patience: timedelta = PATIENCE) -> list[str]:
    """What is said of a work. On a busy machine the engine itself may ail for a moment."""
    return [ailment for ailment in engine.ailments(patience) if ailment.startswith(work)]


@pytest.fixture(params=["memory", "postgres"])
async def engine(request: pytest.FixtureRequest) -> Engine:
    """An engine on each kind of queue."""
    dsn = None if request.param == "memory" else request.getfixturevalue("postgres_dsn")
    engine = quick(dsn)
    await engine.install()
    return engine


async def test_work_that_is_stuck_is_named_until_it_ends(engine: Engine) -> None:
    works = Work()
    engine.work("check", works)
    async with running(engine):
        await engine.tell("check")
        await works.begin(1)
        assert told_of("check", engine, LONGER) == []
        await until(lambda: told_of("check", engine, LONGER) != [])
        [ailment] = told_of("check", engine, LONGER)
        assert ailment.startswith("check has made no progress for ")
        works.release.release()
        await until(lambda: engine.ailments(PATIENCE) == ())


async def test_work_that_comes_further_may_last(engine: Engine) -> None:
    said: list[str] = []
    ended = asyncio.Event()

    async def publish() -> None:
        async def one_after_the_other() -> None:
            for _ in range(15):
                await asyncio.sleep(LONGER.total_seconds() / 10)
                step()
                said.extend(told_of("publish", engine, LONGER))

        await asyncio.create_task(one_after_the_other())
        ended.set()

    engine.work("publish", publish)
    async with running(engine):
        await engine.tell("publish")
        await asyncio.wait_for(ended.wait(), 60)
    assert said == []


async def test_work_that_keeps_failing_is_named_without_the_errors_own_words(
    engine: Engine,
) -> None:
    works = asyncio.Event()

    async def check() -> None:
        if not works.is_set():
            raise DatabaseUnavailable("no way to secret-host")

    engine.work("check", check)
    async with running(engine):
        await engine.tell("check")
        await until(lambda: told_of("check", engine) != [])
        [ailment] = told_of("check", engine)
        assert "check has failed" in ailment
        assert "The database can't be reached, opened or written." in ailment
        assert "secret-host" not in ailment
        works.set()
        await until(lambda: engine.ailments(PATIENCE) == ())


async def test_another_replicas_trouble_is_none_of_ours(postgres_dsn: str) -> None:
    stuck, idle = quick(postgres_dsn), quick(postgres_dsn)
    await stuck.install()
    works = Work()
    stuck.work("publish", works)
    idle.work("publish", works)
    async with running(stuck):
        await stuck.tell("publish")
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

    failing.work("publish", fail)
    helpful.work("publish", helped)
    async with running(failing):
        await failing.tell("publish")
        await until(lambda: told_of("publish", failing) != [])
        async with running(helpful):
            await until(lambda: helped.ended > 0)
            await until(lambda: failing.ailments(PATIENCE) == ())


async def test_an_engine_without_its_database_says_so(
    postgres: "PostgresServer", postgres_dsn: str
) -> None:
    engine = quick(postgres_dsn)
    await engine.install()
    engine.work("check", Work(free=True))
    async with running(engine):
        await until(lambda: engine.healthy)
        await asyncio.to_thread(postgres.stop)
        try:
            await until(lambda: engine.ailments(timedelta(seconds=1)) != ())
            [ailment] = engine.ailments(timedelta(seconds=1))
            assert ailment.startswith("the engine has not looked for work for ")
        finally:
            await asyncio.to_thread(postgres.ensure_postgres_running)
        await until(lambda: engine.ailments(timedelta(seconds=1)) == ())
