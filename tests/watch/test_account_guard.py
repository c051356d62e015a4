"""The users belong to one GitHub: another address waits for a person, who can go back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from gitpip.backfill import Backfill
from gitpip.errors import AccountChanged
from gitpip.model import Account, GitHubId
from gitpip.store.accounts import account_switch, accounts
from gitpip.store.database import Database, open_database
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_accounts import accounts as account_rows
from gitpip.store.users import users
from gitpip.watch.account_guard import GitHubAccountGuard

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await database.migrate()
    yield database
    await database.close()


def at(database: Database, url: str) -> GitHubAccountGuard:
    return GitHubAccountGuard(database, url, now=lambda: NOW)


async def track(database: Database, login: str, github_id: int) -> None:
    async with database.begin() as transaction:
        await users.add(
            transaction,
            login,
            external_id=f"id of {login}",
            account=Account(login, GitHubId(github_id)),
            backfill=Backfill.parse("all"),
            now=NOW,
        )


async def tracked(database: Database) -> dict[str, int | None]:
    async with database.read() as transaction:
        return {user.login: user.github_id for user in await users.everyone(transaction)}


async def switch(database: Database, *, same: bool = False) -> None:
    async with database.begin() as transaction:
        await account_switch.switch(transaction, Vendor.GITHUB, NOW, same=same)


async def test_the_users_of_each_github_are_kept_apart(database: Database) -> None:
    ours, other = (
        at(database, "https://user:secret@api.github.com"),
        at(database, "https://ghe.example.com/api/v3"),
    )
    assert ours.host == "api.github.com"
    assert await ours.permits()
    await track(database, "ada", 101)
    await track(database, "removed", 103)
    async with database.begin() as transaction:
        await users.remove(transaction, (await users.find(transaction, "removed")).key, NOW)

    assert not await other.permits()
    with pytest.raises(AccountChanged):
        await other.check()
    assert await ours.permits()
    await switch(database)
    assert await other.permits()
    assert not await ours.permits()
    assert await tracked(database) == {}
    # The same login and the same id are somebody else's here.
    await track(database, "ada", 103)
    await track(database, "bob", 101)

    assert not await at(database, "https://api.github.com").permits()
    await switch(database)
    assert await tracked(database) == {"ada": 101}
    assert not await at(database, "https://ghe.example.com").permits()
    await switch(database)
    assert await tracked(database) == {"ada": 103, "bob": 101}


async def test_the_same_github_under_another_address_keeps_all(database: Database) -> None:
    assert await at(database, "https://old.example.com/api/v3").permits()
    await track(database, "ada", 101)
    moved = at(database, "https://new.example.com/api/v3")
    assert not await moved.permits()
    await switch(database, same=True)
    assert await moved.permits()
    assert await tracked(database) == {"ada": 101}
    async with database.read() as transaction:
        names = [(one.name, one.bound) for one in await accounts.everyone(transaction)]
    assert names == [("new.example.com", True), ("old.example.com", False)]


async def test_the_former_address_again_needs_no_decision(database: Database) -> None:
    assert await at(database, "https://api.github.com").permits()
    assert not await at(database, "https://ghe.example.com").permits()
    assert await at(database, "https://api.github.com").permits()
    async with database.read() as transaction:
        assert await accounts.change(transaction, Vendor.GITHUB) is None


async def waiting(database: Database) -> str | None:
    async with database.read() as transaction:
        change = await accounts.change(transaction, Vendor.GITHUB)
    return change.waiting.name if change else None


async def test_another_address_is_told_as_long_as_a_process_has_it(database: Database) -> None:
    ours = at(database, "https://api.github.com")
    other = at(database, "https://ghe.example.com")
    assert await ours.permits()
    assert not await other.permits()
    assert await ours.permits()
    assert await waiting(database) == "ghe.example.com"
    async with database.read() as transaction:
        change = await accounts.change(transaction, Vendor.GITHUB, NOW)
    assert change
    assert change.goes_on

    # The other process has not noted it for a while.
    async with database.begin() as transaction:
        await transaction.execute(
            update(account_rows).values(noted_until=NOW - timedelta(seconds=1))
        )
    assert not await other.permits()
    assert await waiting(database) == "ghe.example.com"
    async with database.begin() as transaction:
        await transaction.execute(
            update(account_rows).values(noted_until=NOW - timedelta(seconds=1))
        )
    assert await ours.permits()
    assert await waiting(database) is None


async def test_a_process_with_the_former_address_after_a_switch_says_so(database: Database) -> None:
    ours = at(database, "https://api.github.com")
    assert await ours.permits()
    assert not await at(database, "https://ghe.example.com").permits()
    await switch(database)
    assert await waiting(database) is None
    assert not await ours.permits()
    assert await waiting(database) == "api.github.com"
