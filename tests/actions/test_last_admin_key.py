"""The last key of an admin is given up only on purpose, if nothing else lets admins in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gitpip.actions import keys as actions
from gitpip.actions.acting import Acting
from gitpip.clock import utc_now
from gitpip.config import load_settings
from gitpip.errors import LastAdminKey
from gitpip.model import Role
from gitpip.store.access import keys
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import open_database
from gitpip.store.schema_access import Via

KEYS_ALONE = load_settings({}, env_file=None)


async def unused(work: str) -> None:
    raise AssertionError(f"no {work} waits")


@pytest.fixture
async def acting(database_url: str) -> AsyncIterator[Acting]:
    database = open_database(database_url)
    now = utc_now()
    async with database.begin() as transaction:
        for name, role, lifetime in (
            ("ada", Role.ADMIN, None),
            ("bob", Role.ADMIN, None),
            ("eve", Role.OPERATOR, None),
            ("past", Role.ADMIN, timedelta(seconds=1)),
        ):
            made = now - timedelta(hours=1)
            await keys.create(transaction, name=name, role=role, lifetime=lifetime, now=made)
    yield Acting(database, Actor("tester", Via.COMMAND), unused)
    await database.close()


async def test_of_two_revoked_at_once_one_is_kept(acting: Acting) -> None:
    done = await asyncio.gather(
        *(actions.revoke(acting, name, settings=KEYS_ALONE) for name in ("ada", "bob")),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in done) == ["AccessKey", "LastAdminKey"]
    async with acting.database.read() as transaction:
        assert len(await keys.admins(transaction, utc_now())) == 1


@pytest.mark.parametrize(
    ("environment", "is_kept"),
    [
        ({}, True),
        ({"GITPIP_ALLOW_ANONYMOUS": "read"}, True),
        ({"GITPIP_ALLOW_ANONYMOUS": "all"}, False),
        ({"GITPIP_ADMIN_KEY": "k" * 32}, False),
    ],
)
async def test_it_counts_only_where_keys_alone_let_admins_in(
    acting: Acting, environment: dict[str, str], is_kept: bool
) -> None:
    settings = load_settings(environment, env_file=None)
    await actions.revoke(acting, "ada", settings=settings)
    await actions.rotate(acting, "bob", lifetime=timedelta(days=1), settings=settings)
    for name in ("eve", "past"):
        await actions.rotate(acting, name, lifetime=timedelta(hours=1), settings=settings)
    await actions.revoke(acting, "past", settings=settings)
    if is_kept:
        with pytest.raises(LastAdminKey, match=r"^without bob, no admin key"):
            await actions.revoke(acting, "BOB", settings=settings)
        async with acting.database.read() as transaction:
            assert (await keys.find(transaction, "bob")).revoked_at is None
    else:
        await actions.revoke(acting, "bob", settings=settings)
