"""Pages that are opened often share what was read of the status a moment ago."""

import asyncio
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
