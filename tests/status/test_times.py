"""Times in sentences have their day, and what is over soon is told in seconds."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from gitpip.status.problem import until
from gitpip.store.schema_status import pauses
from tests.status.conftest import NOW, Rows


@pytest.mark.parametrize(
    ("hour", "minute", "lasts", "told"),
    [
        (12, 0, timedelta(seconds=0.2), "for 1 s"),
        (12, 0, timedelta(seconds=44.1), "for 45 s"),
        (12, 0, timedelta(minutes=2), "until 2026-05-04 12:02 UTC"),
        (23, 59, timedelta(seconds=61), "for 61 s"),
        (23, 50, timedelta(hours=1), "until 2026-05-05 00:50 UTC"),
    ],
)
def test_short_times_are_shown_in_seconds(
    hour: int, minute: int, lasts: timedelta, told: str
) -> None:
    now = NOW.replace(hour=hour, minute=minute)
    assert until(now + lasts, now) == told


async def test_a_short_pause_is_told_in_seconds(rows: Rows) -> None:
    values = {"name": "publishing", "reason": "a limit", "cause": "vendor", "since": NOW}
    await rows.execute(insert(pauses).values(**values, until=NOW + timedelta(seconds=45)))

    condition = await rows.condition()

    assert condition.sentence == "Sync is paused for 45 s: a limit. Nothing is lost."
