"""What is given of a user reaches the row and the audit log, also where a removed one returns."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gitpip.actions import users as acts
from gitpip.actions.acting import Acting
from gitpip.backfill import Backfill
from gitpip.model import Account, GitHubId, User, UserState
from gitpip.modes import PublishingMode
from gitpip.store.access import audit_log
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database, open_database
from gitpip.store.schema import users as table
from gitpip.store.schema_access import Via
from gitpip.store.users import account_match, bulk, targets, users
from gitpip.store.users.users import Changes
from gitpip.targets import Target
from tests.support.scene import wake_nobody

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL = Backfill.parse("all")
ADA = Account("ada", GitHubId(1))
GIVEN = Changes(
    external_id="77",
    backfill=Backfill.parse("none"),
    tags=("vip",),
    interval=timedelta(minutes=7),
    paused=True,
    mode=PublishingMode.DRY_RUN,
    target=Target.parse("person:5"),
    target_seen=targets.SeenTarget("Ada"),
)
NAMES = [field.name for field in fields(Changes)]


def given(name: str) -> Changes:
    names = {"target", "target_seen"} if name.startswith("target") else {name}
    return Changes(**{one: getattr(GIVEN, one) for one in names})


def shown(user: User) -> dict[str, object]:
    """What a row says about each field of the changes."""
    return {
        "external_id": user.external_id,
        "backfill": user.backfill,
        "tags": user.tags,
        "interval": user.check_interval,
        "paused": user.state is UserState.PAUSED,
        "mode": user.publishing_mode,
        "target": user.target,
        "target_seen": user.target_title and targets.SeenTarget(user.target_title),
    }


async def removed(database: Database) -> None:
    """ada was tracked, and is not any more."""
    await database.migrate()
    async with database.begin() as transaction:
        added = await users.add(
            transaction, "ada", external_id=None, account=ADA, backfill=ALL, now=NOW
        )
        await users.remove(transaction, added.user.key, NOW)


@pytest.mark.parametrize("name", NAMES)
async def test_changes_before_the_account_is_known_apply_to_the_user_who_comes_back(
    database_url: str, name: str
) -> None:
    database = open_database(database_url)
    await removed(database)
    async with database.begin() as transaction:
        added = await users.add(
            transaction, "ada", external_id=None, account=None, backfill=ALL, now=NOW
        )
        await users.change(transaction, added.user.key, given(name), NOW)
    async with database.begin() as transaction:
        back = await account_match.resolve(transaction, added.user.key, ADA)
    await database.close()

    assert back.key != added.user.key
    assert shown(back)[name] == getattr(GIVEN, name)


async def test_the_import_that_brings_a_removed_user_back_has_added_them(database_url: str) -> None:
    database = open_database(database_url)
    await removed(database)
    async with database.begin() as transaction:
        await bulk.add_many(transaction, [bulk.UserToAdd("ada", "1", ALL)], NOW, import_id=9)
    async with database.begin() as transaction:
        [key] = [user.key for user in await bulk.lock_each(transaction, ["ada"])]
        back = await account_match.resolve(transaction, key, ADA)
    assert await import_of(database, back) == 9

    async with database.begin() as transaction:
        await users.remove(transaction, back.key, NOW)
        again = await users.add(
            transaction, "ada", external_id=None, account=ADA, backfill=ALL, now=NOW
        )
    assert await import_of(database, again.user) is None
    await database.close()


async def import_of(database: Database, user: User) -> object:
    async with database.read() as transaction:
        return await transaction.scalar(select(table.c.import_id).where(table.c.key == user.key))


@pytest.mark.parametrize("name", NAMES)
async def test_each_change_reaches_the_row_and_the_audit_log(database_url: str, name: str) -> None:
    database = open_database(database_url)
    await database.migrate()

    async with database.begin() as transaction:
        await users.add(transaction, "ada", external_id=None, account=ADA, backfill=ALL, now=NOW)
    acting = Acting(database, Actor("eve", Via.API), wake_nobody, lambda: NOW)
    changed = await acts.change(acting, "ada", given(name))
    async with database.read() as transaction:
        told = (await audit_log.page(transaction, offset=0, limit=1)).items[0]
    await database.close()

    assert shown(changed)[name] == getattr(GIVEN, name)
    names = {"external_id": "customer ID", "backfill": "existing gists", "mode": "new files"}
    names |= {"interval": "check interval"} | dict.fromkeys(
        ("target", "target_seen"), "activities go to"
    )
    word = names.get(name, name)
    assert told.action == "user.paused" if name == "paused" else f"{word}: " in told.subject
