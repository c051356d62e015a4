"""Every login that a user had leads to them, and names them where they must not be shown."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, insert, select

from gitpip.backfill import Backfill
from gitpip.model import Account, GitHubId, UserKey
from gitpip.store import visibility
from gitpip.store.database import Database, open_database
from gitpip.store.schema import former_logins
from gitpip.store.schema import users as table
from gitpip.store.users import account_match, bulk, renames, users
from tests.support.migrations import upgrade_to

BEFORE = "0032"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADA = GitHubId(1)


async def _renamed(database: Database, *logins: str) -> UserKey:
    """A user with the id "1" who has had all these logins, the last one now."""
    first, *others = logins
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            first,
            external_id="1",
            account=Account(first, ADA),
            backfill=Backfill.parse("all"),
            now=NOW,
        )
    for login in others:
        async with database.begin() as transaction:
            user = await users.get(transaction, added.user.key)
            await renames.follow(transaction, [(user, Account(login, ADA))], NOW)
    return added.user.key


async def test_a_list_with_any_former_login_is_imported_again(database_url: str) -> None:
    database = open_database(database_url)
    await database.migrate()
    await _renamed(database, "ada", "Lady", "countess", "lovelace")

    def listed(login: str, external_id: str) -> bulk.UserToAdd:
        return bulk.UserToAdd(login, external_id, Backfill.parse("all"))

    wanted = [*(listed(login, "1") for login in ("Ada", "lady", "COUNTESS")), listed("ada", "2")]
    async with database.begin() as transaction:
        outcomes = await bulk.add_many(transaction, wanted, NOW)
    await database.close()

    assert [(outcome.added, outcome.conflict) for outcome in outcomes] == [
        *[(False, None)] * 3,
        (True, None),  # the login is free: somebody else can have it
    ]


async def test_a_user_may_return_to_a_former_login(database_url: str) -> None:
    database = open_database(database_url)
    await database.migrate()
    key = await _renamed(database, "ada", "countess", "ada", "countess", "ada")

    async with database.read() as transaction:
        found = [await users.find(transaction, login) for login in ("ada", "countess")]
    await database.close()
    assert [(user.key, user.login) for user in found] == [(key, "ada")] * 2


async def test_no_former_login_of_a_removed_user_is_shown(database_url: str) -> None:
    database = open_database(database_url)
    await database.migrate()
    key = await _renamed(database, "ada", "countess", "lovelace")
    lines = ["ada: 404", "countess: 404", "lovelace: 404", "grace: 404"]
    async with database.begin() as transaction:
        assert await visibility.without_removed(transaction, lines) == set(lines)
        await users.remove(transaction, key, NOW)
        shown = await visibility.without_removed(transaction, lines)
    await database.close()
    assert shown == {"grace: 404"}


@pytest.mark.parametrize("recognised", ["at once", "later"])
async def test_a_removed_user_who_comes_back_with_another_login_is_found_by_both(
    database_url: str, recognised: str
) -> None:
    database = open_database(database_url)
    await database.migrate()
    key = await _renamed(database, "ada")
    async with database.begin() as transaction:
        await users.remove(transaction, key, NOW)
        again = await users.add(
            transaction,
            "countess",
            external_id="2",
            account=Account("countess", ADA) if recognised == "at once" else None,
            backfill=Backfill.parse("all"),
            now=NOW,
        )
        back = await account_match.resolve(transaction, again.user.key, Account("countess", ADA))
        assert back.key == key
        assert back.former_login == "ada"
        assert (await users.find(transaction, "Ada")).key == key
        await users.remove(transaction, key, NOW)
        assert not await visibility.without_removed(transaction, ["ada: 404", "countess: 404"])
    await database.close()


def _before(connection: Connection) -> None:
    upgrade_to(connection, BEFORE)
    for login, former in (("countess", "Ada"), ("bob", None)):
        connection.execute(
            insert(table).values(
                login=login,
                former_login=former,
                external_id=login,
                backfill="all",
                state="active",
                created_at=NOW,
                next_check_at=NOW,
            )
        )


async def test_the_one_login_that_was_kept_before_is_taken_over(unmigrated_url: str) -> None:
    database = open_database(unmigrated_url)
    async with database.begin() as transaction:
        await transaction.run_sync(_before)

    await database.migrate()

    async with database.read() as transaction:
        kept = (await transaction.execute(select(former_logins.c.login))).scalars().all()
        assert (await users.find(transaction, "ADA")).login == "countess"
    await database.close()
    assert kept == ["ada"]


async def test_a_tracked_user_is_found_by_the_account_also_while_it_is_unknown(
    database_url: str,
) -> None:
    database = open_database(database_url)
    await database.migrate()
    key = await _renamed(database, "ada")
    async with database.begin() as transaction:
        await users.add(
            transaction,
            "bob",
            external_id="2",
            account=None,
            backfill=Backfill.parse("all"),
            now=NOW,
        )

    accounts = (Account("countess", ADA), Account("Bob", GitHubId(2)), Account("ada", GitHubId(3)))
    async with database.read() as transaction:
        found = [await users.with_account(transaction, account) for account in accounts]
    await database.close()

    assert [user and user.login for user in found] == ["ada", "bob", None]
    assert found[0] is not None
    assert found[0].key == key
