"""Pages of a list of users, counted from either end, are together the whole list."""

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from sqlalchemy import update

from gitpip.backfill import Backfill
from gitpip.store import user_listing
from gitpip.store.database import Database
from gitpip.store.schema import users as user_rows
from gitpip.store.user_listing import UserSort, UserWanted
from gitpip.store.users import users

START = datetime(2026, 3, 4, tzinfo=UTC)
NOBODY = "0" * 32
MOST = 100


async def pages_of(database: Database, sort: UserSort, limit: int) -> list[list[str]]:
    """Return the logins on each page, and on the one after the last."""
    pages: list[list[str]] = []
    async with database.read() as transaction:
        while True:
            page = await user_listing.list_users(
                transaction, NOBODY, UserWanted(), sort, offset=len(pages) * limit, limit=limit
            )
            pages.append([each.user.login for each in page.items])
            if not pages[-1]:
                return pages


@pytest.mark.parametrize("sort", UserSort)
async def test_pages_are_together_the_whole_list(databases: list[Database], sort: UserSort) -> None:
    """Some have no time yet, and some have the same one."""
    database, *_ = databases
    hours = (None, 3, 1, 3, None, 2, 1)
    async with database.begin() as transaction:
        for number, hour in enumerate(hours):
            added = await users.add(
                transaction,
                f"user-{number}",
                external_id=None,
                account=None,
                backfill=Backfill.parse("all"),
                now=START,
            )
            time = None if hour is None else START + timedelta(hours=hour)
            await transaction.execute(
                update(user_rows)
                .where(user_rows.c.key == added.user.key)
                .values(found_at=time, checked_at=time, complete_until=time)
            )
    [whole, _] = await pages_of(database, sort, MOST)
    assert len(whole) == len(hours)
    for limit in (1, 2, 3, 4, 7, 8):
        assert list(chain(*await pages_of(database, sort, limit))) == whole
