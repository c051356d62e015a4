"""Pages that are opened often share what was read of the status a moment ago."""

import asyncio

from gitpip.status.recent import RecentCondition
from tests.status.conftest import Rows


async def test_many_share_one_reading_and_later_ones_read_again(rows: Rows) -> None:
    recent = RecentCondition(rows.database, rows.surroundings)
    first, *others = await asyncio.gather(*(recent.read() for _ in range(20)))
    assert all(other is first for other in others)
    async with asyncio.timeout(30):
        while await recent.read() is first:
            await asyncio.sleep(0.1)
