"""A transaction inside another one of the same database is an error that the tests find."""

from collections.abc import AsyncIterator

import pytest

from gitpip.store.database import Database, open_database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    yield database
    await database.close()


@pytest.mark.parametrize("outer", ["read", "begin"])
@pytest.mark.parametrize("inner", ["read", "begin"])
async def test_a_transaction_inside_another_fails(
    database: Database, outer: str, inner: str
) -> None:
    async with getattr(database, outer)():
        with pytest.raises(RuntimeError, match="inside another"):
            async with getattr(database, inner)():
                pass
    # It holds nothing up.
    async with getattr(database, inner)():
        pass
