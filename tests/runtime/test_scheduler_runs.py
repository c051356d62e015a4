"""When the scheduler runs a work: what is told, what fails, what is periodic."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from structlog.typing import EventDict

from tests.runtime.conftest import PATIENCE, Work, count, quick, running, until


async def test_many_notifications_before_a_run_lead_to_one_run(dsn: str | None) -> None:
    scheduler, works = quick(dsn), Work(free=True)
    scheduler.register("publish", works)
    for _ in range(5):
        await scheduler.notify("publish")
    async with running(scheduler):
        await until(lambda: works.ended == 1)
        # A run left over from before would come before this one.
        await scheduler.notify("publish", at=datetime.now(UTC) + timedelta(seconds=0.7))
        await until(lambda: works.ended == 2)
    assert works.begun == 2


async def test_a_notification_during_a_run_leads_to_one_more(dsn: str | None) -> None:
    works = Work()
    engines = [quick(dsn) for _ in range(3 if dsn else 1)]
    for scheduler in engines:
        scheduler.register("publish", works)
    async with running(*engines):
        for run in range(1, 4):
            if run == 1:
                await engines[0].notify("publish")
            await works.begin(run)
            for scheduler in engines:
                for _ in range(3):
                    await scheduler.notify("publish")
            assert works.begun == run
            works.release.release()
        await works.begin(4)
        works.release.release()
        await until(lambda: works.ended == 4)
        await engines[0].notify("publish", at=datetime.now(UTC) + timedelta(seconds=0.7))
        await works.begin(5)
        works.release.release()
        await until(lambda: works.ended == 5)
    assert works.most_active == 1


@pytest.mark.long
async def test_a_notification_for_later_does_not_run_sooner(dsn: str | None) -> None:
    scheduler, works = quick(dsn), Work(free=True)
    scheduler.register("publish", works)
    async with running(scheduler):
        await scheduler.notify("publish")
        await until(lambda: works.ended == 1)
        at = datetime.now(UTC) + timedelta(seconds=3)
        await scheduler.notify("publish", at=at)
        await scheduler.notify("publish", at=at)
        await scheduler.notify("publish")
        await until(lambda: works.ended == 3)
    assert works.times[1] < at.timestamp() <= works.times[2]


async def test_different_works_run_side_by_side(dsn: str | None) -> None:
    scheduler, one, other = quick(dsn), Work(), Work()
    scheduler.register("one", one)
    scheduler.register("other", other)
    async with running(scheduler):
        await scheduler.notify("one")
        await scheduler.notify("other")
        await until(lambda: one.active == other.active == 1)
        one.release.release()
        other.release.release()


async def test_a_failed_run_is_repeated_later_and_later(
    dsn: str | None, logged: list[EventDict]
) -> None:
    times: list[float] = []
    done = asyncio.Event()

    async def fails_thrice() -> None:
        times.append(time.monotonic())
        if len(times) < 4:
            raise ValueError("not yet")
        done.set()

    scheduler = quick(dsn)
    scheduler.register("publish", fails_thrice)
    async with running(scheduler):
        await scheduler.notify("publish")
        await asyncio.wait_for(done.wait(), PATIENCE)
    waits = [later - sooner for sooner, later in pairwise(times)]
    assert all(wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True))
    assert count(logged, "work.failed") == 3
    assert {event["work"] for event in logged if event["event"] == "work.failed"} == {"publish"}


async def test_telling_a_failing_work_all_the_time_does_not_make_it_run_all_the_time(
    dsn: str | None,
) -> None:
    runs = 0

    async def fails() -> None:
        nonlocal runs
        runs += 1
        raise ValueError("never")

    scheduler = quick(dsn)
    scheduler.register("publish", fails)
    begin = time.monotonic()
    async with running(scheduler):
        while (passed := time.monotonic() - begin) < 2 or (runs < 4 and passed < PATIENCE):
            await scheduler.notify("publish")
            await asyncio.sleep(0.01)
    # Two jobs at most, with waits of 0.1, 0.2, 0.4, 0.4 ... seconds.
    assert 4 <= runs <= 2 * (3 + passed / 0.4)


@pytest.mark.long
async def test_a_periodic_work_runs_once_in_each_interval_over_all_replicas(
    dsn: str | None,
) -> None:
    works = Work(free=True)
    engines = [quick(dsn) for _ in range(3 if dsn else 1)]
    for scheduler in engines:
        scheduler.schedule("sweep", timedelta(seconds=1.5), works)
    async with running(*engines):
        await until(lambda: works.ended >= 4)
    intervals = int(works.times[-1] / 1.5) - int(works.times[0] / 1.5)
    assert len(works.times) - 1 <= intervals <= len(works.times)
    assert works.most_active == 1


@pytest.mark.long
async def test_a_periodic_work_that_outlasts_its_interval_is_followed_by_one_run(
    dsn: str | None,
) -> None:
    scheduler, works, clock = quick(dsn), Work(), Work(free=True)
    scheduler.schedule("sweep", timedelta(seconds=1), works)
    scheduler.schedule("clock", timedelta(seconds=1), clock)
    async with running(scheduler):
        await works.begin(1)
        await until(lambda: clock.ended >= 3)
        assert works.begun == 1
        works.release.release()
        await works.begin(2)
        works.release.release()
        await works.begin(3)
        works.release.release()
    assert works.times[2] - works.times[1] > 0.2
