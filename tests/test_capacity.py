"""The number of users that is promised follows from the limits and the costs that are known."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitpip.capacity import HourlyLimits, capacity
from gitpip.model import Pause, PauseCause
from gitpip.store.database import Database, open_database
from gitpip.store.status import budgets, checks, pauses
from gitpip.store.status.budgets import StoredBudget
from gitpip.store.status.checks import Results

HOUR = timedelta(hours=1)
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (HourlyLimits(60), 60),
        (HourlyLimits(60, share=0.8), 48),
        (HourlyLimits(5_000), 5_000),
        (HourlyLimits(100_000), 54_000),
        (HourlyLimits(5_000, points=5_000), 250_000),
        (HourlyLimits(5_000, points=10_000, users_a_point=40), 400_000),
        (HourlyLimits(5_000, points=5_000, users_a_point=0.5), 2_500),
        (HourlyLimits(5_000, points=5_000, rest_part=0.05), 100_000),
        (HourlyLimits(5_000, points=5_000, rest_part=1), 5_000),
    ],
)
def test_capacity_is_what_the_scarcest_limit_allows(limits: HourlyLimits, expected: int) -> None:
    assert capacity(limits, HOUR) == expected
    assert capacity(limits, 3 * HOUR) in range(3 * expected, 3 * expected + 3)


@given(
    requests=st.integers(0, 100_000),
    points=st.none() | st.integers(0, 100_000),
    share=st.floats(0, 1),
    users_a_point=st.floats(0, 200),
    rest_part=st.floats(0, 1),
)
def test_capacity_never_promises_more_than_the_limits_pay_for(
    requests: int, points: int | None, share: float, users_a_point: float, rest_part: float
) -> None:
    limits = HourlyLimits(requests, points, share, users_a_point, rest_part)
    users = capacity(limits, HOUR)
    assert users >= 0
    if points is None:
        assert users <= requests * share
    else:
        assert users * rest_part <= requests * share + 1
        assert users <= points * share * 100


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


async def test_the_promise_follows_pauses_limits_and_what_the_checks_spent(
    database: Database,
) -> None:
    async def promised(*, has_token: bool = True) -> int:
        async with database.read() as transaction:
            return await budgets.capacity_now(
                transaction, has_token=has_token, share=1.0, interval=HOUR, now=NOW
            )

    async def note(name: str, total: int) -> None:
        async with database.begin() as transaction:
            await budgets.note_budgets(transaction, [StoredBudget(name, total, 1, None, NOW)])

    assert await promised(has_token=False) == 60
    assert await promised() == 250_000
    async with database.begin() as transaction:
        for swept, points in ((1000, 100), (3, 3)):
            check_id = await checks.start(transaction, NOW)
            results = Results(users=swept, unchanged=swept, swept=swept, points=points)
            await checks.add_results(transaction, check_id, results)
            await checks.end(transaction, check_id, NOW)
    # Ten users a point; the check of three users says nothing.
    assert await promised() == 50_000
    await note(budgets.GITHUB_POINTS, 10_000)
    assert await promised() == 100_000
    for cause, expected in {
        PauseCause.VENDOR: 100_000,
        PauseCause.RATE_LIMIT: 100_000,
        PauseCause.FAULT: 100_000,
        PauseCause.CREDENTIAL: 5_000,
    }.items():
        async with database.begin() as transaction:
            await pauses.pause(transaction, pauses.SWEEPING, Pause(NOW + HOUR, "why", cause))
        assert await promised() == expected
    await note(budgets.GITHUB_REQUESTS, 15_000)
    assert await promised() == 15_000
    # What is known is of a token that was taken away.
    assert await promised(has_token=False) == 60
