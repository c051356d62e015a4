"""Times in sentences have their day, and what is over soon has none."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from gitpip.status.problem import until
from gitpip.store.schema_status import pauses
from tests.status.conftest import NOW, Rows


@pytest.mark.parametrize(
    ("hour", "minute", "lasts", "told"),
    [
        (12, 0, timedelta(seconds=0.2), "for a moment"),
        (12, 0, timedelta(seconds=44.1), "for a moment"),
        (12, 0, timedelta(minutes=2), "until 2026-05-04 12:02 UTC"),
        (23, 59, timedelta(seconds=61), "until 2026-05-05 00:00 UTC"),
        (23, 50, timedelta(hours=1), "until 2026-05-05 00:50 UTC"),
    ],
)
def test_the_end_of_what_is_over_soon_is_not_named(
    hour: int, minute: int, lasts: timedelta, told: str
) -> None:
    now = NOW.replace(hour=hour, minute=minute)
    assert until(now + lasts, now) == told


async def test_the_end_of_a_short_pause_is_not_named(rows: Rows) -> None:
    values = {"name": "publishing", "reason": "a limit", "cause": "vendor", "since": NOW}
    await rows.execute(insert(pauses).values(**values, until=NOW + timedelta(seconds=45)))

    condition = await rows.condition()

    assert condition.sentence == "Sync is paused for a moment: a limit. Nothing is lost."
