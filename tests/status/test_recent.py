"""Pages that are opened often share what was read of the status a moment ago."""

import asyncio
import time
from datetime import timedelta

from gitpip.status.timed_cache import TimedCache
from tests.status.conftest import Rows


async def test_many_share_one_reading(rows: Rows) -> None:
    recent = TimedCache(rows.condition, timedelta(hours=1))
    first, *others = await asyncio.gather(*(recent.read() for _ in range(20)))
    assert all(other is first for other in others)


async def test_it_is_read_anew_when_the_last_reading_is_old(rows: Rows) -> None:
    recent = TimedCache(rows.condition, timedelta(0))
    first = await recent.read()
    assert await recent.read() is not first


async def test_those_who_wait_share_a_reading_that_takes_longer_than_it_is_kept(
    rows: Rows,
) -> None:
    async def slowly() -> object:
        await asyncio.to_thread(time.sleep, 1.1)
        return await rows.condition()

    recent = TimedCache(slowly, timedelta(seconds=1))
    first, *others = await asyncio.gather(*(recent.read() for _ in range(5)))
    assert all(other is first for other in others)


async def test_an_old_result_is_shown_at_once_until_it_is_too_old_or_changed(rows: Rows) -> None:
    recent = TimedCache(rows.condition, timedelta(0))
    assert recent.last(timedelta(hours=1)) is None
    first = await recent.read()
    assert recent.last(timedelta(hours=1)) is first
    assert recent.last(timedelta(0)) is None
    recent.forget()
    assert recent.last(timedelta(hours=1)) is None


async def test_a_reading_that_began_before_a_change_is_not_kept(rows: Rows) -> None:
    reading, changed = asyncio.Event(), asyncio.Event()

    async def slowly() -> object:
        reading.set()
        await changed.wait()
        return await rows.condition()

    recent = TimedCache(slowly, timedelta(hours=1))
    under_way = asyncio.create_task(recent.read())
    await reading.wait()
    recent.forget()
    changed.set()
    first = await under_way
    assert recent.last(timedelta(hours=1)) is None
    assert await recent.read() is not first
