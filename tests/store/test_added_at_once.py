"""Two transactions that add one user at the same time, on both databases."""

import asyncio
from datetime import UTC, datetime

import pytest

from gitpip.backfill import Backfill
from gitpip.errors import UserConflict
from gitpip.model import Account, GitHubId
from gitpip.store.database import Database, open_database
from gitpip.store.users import users
from gitpip.store.users.users import AddedUser

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


async def _add(database: Database, number: int, external_id: str) -> AddedUser | UserConflict:
    try:
        async with database.begin() as transaction:
            return await users.add(
                transaction,
                f"user-{number}",
                external_id=external_id,
                account=Account(f"user-{number}", GitHubId(number)),
                backfill=Backfill.parse("all"),
                now=NOW,
            )
    except UserConflict as error:
        return error


@pytest.mark.parametrize("same_id", [True, False])
async def test_a_removed_user_added_twice_at_once_has_the_id_of_the_first(
    database_url: str, same_id: bool
) -> None:
    database = open_database(database_url)
    await database.migrate()
    try:
        for number in range(1, 6):
            first = await _add(database, number, f"former {number}")
            assert isinstance(first, AddedUser)
            async with database.begin() as transaction:
                await users.remove(transaction, first.user.key, NOW)
            ids = [f"new {number}", f"new {number}" if same_id else f"other {number}"]
            outcomes = await asyncio.gather(*(_add(database, number, id_) for id_ in ids))
            added = [one for one in outcomes if isinstance(one, AddedUser)]
            assert [one.new for one in added].count(True) == 1
            (new,) = [one for one in added if one.new]
            assert len(added) == (2 if same_id else 1)
            assert new.user.key == first.user.key
            async with database.read() as transaction:
                user = await users.find(transaction, f"user-{number}")
            assert user.external_id == new.user.external_id
    finally:
        await database.close()
