"""How long what waits still takes: by the recent pace, but not before the last is due."""

from datetime import timedelta

import pytest

from gitpip.model import UserKey
from gitpip.store.publications.progress import time_left
from gitpip.store.schema import publications
from tests.status.conftest import NOW, Rows

MINUTE = timedelta(minutes=1)
STATE = publications.c.state


@pytest.mark.parametrize("user_key", [None, UserKey(1)])
@pytest.mark.parametrize("state", ["pending", "uncertain"])
@pytest.mark.parametrize("backfill", [False, True])
async def test_the_time_left_lasts_at_least_until_the_next_try(
    rows: Rows, user_key: UserKey | None, state: str, *, backfill: bool
) -> None:
    first, second = publications.c.id == 1, publications.c.id == 2
    await rows.execute(
        publications.update().values(user_key=1),
        publications.update()
        .where(first)
        .values(state="published", activity_id=1, published_at=NOW - MINUTE),
        publications.update()
        .where(second)
        .values(state=state, backfill=backfill, due_at=NOW + 59 * MINUTE),
    )
    async with rows.database.read() as transaction:
        assert await time_left(transaction, 1, NOW, user_key) == 59 * MINUTE
        assert await time_left(transaction, 90, NOW, user_key) == 90 * MINUTE

    await rows.execute(publications.update().where(second).values(due_at=NOW - MINUTE))
    async with rows.database.read() as transaction:
        assert await time_left(transaction, 1, NOW, user_key) == MINUTE
        assert await time_left(transaction, 0, NOW, user_key) is None
