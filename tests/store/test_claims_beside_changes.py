"""Claims are prolonged without a wait for users who are being changed at the same time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gitpip.backfill import Backfill
from gitpip.model import Account, GitHubId
from gitpip.store.database import open_database
from gitpip.store.users import schedule, users

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=20)
LATER = NOW + timedelta(seconds=5)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_user_who_is_locked_holds_up_no_renewal(database_url: str) -> None:
    database = open_database(database_url)
    async with database.begin() as transaction:
        for number, login in enumerate(("ada", "bob"), start=1):
            await users.add(
                transaction,
                login,
                external_id=login,
                account=Account(login, GitHubId(number), node_id=f"U_{number}", seen_at=NOW),
                backfill=Backfill.parse("all"),
                now=NOW,
            )
        _, bob = await schedule.claim_due(
            transaction, token="a-check", now=NOW, lease=LEASE, limit=9, due_by=NOW
        )
    locked, over = asyncio.Event(), asyncio.Event()

    async def change_bob() -> None:
        async with database.begin() as transaction:
            await users.lock(transaction, bob.key)
            locked.set()
            await over.wait()

    changing = asyncio.create_task(change_bob())
    await locked.wait()
    async with asyncio.timeout(60):  # for a wait, there is no end: bob stays locked
        async with database.begin() as transaction:
            await schedule.renew(transaction, "a-check", until=LATER + LEASE)
    over.set()
    await changing
    after = NOW + LEASE + timedelta(seconds=1)
    async with database.begin() as transaction:
        free = await schedule.claim_due(
            transaction, token="another", now=after, lease=LEASE, limit=9, due_by=after
        )
    assert [user.login for user in free] == ["bob"]
    await database.close()
