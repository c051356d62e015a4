"""What changes many publications at the same time does not wait for each other for good."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from gitpip.errors import PublicationStateError
from gitpip.model import ActivityId, DealId, Pause, PublicationState
from gitpip.publish.account_guard import company_of
from gitpip.publish.destination import TokenOwner
from gitpip.store.accounts import account_switch, accounts
from gitpip.store.database import Transaction
from gitpip.store.publications import markers, publications
from gitpip.store.publications.recognition import Sighting
from gitpip.store.schema import deals as deal_rows
from gitpip.store.schema import publications as publication_rows
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import pauses
from gitpip.store.users import users
from tests.support.scene import Scene

ROUNDS = 12
USERS = 5
HOUR = timedelta(hours=1)
Act = Callable[[Transaction], Awaitable[object]]

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


class Crowd:
    """Everything that changes publications of all users."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def begin(self) -> None:
        for number in range(USERS):
            await self.scene.find_files(f"user-{number}", "a.py", "b.py", "c.py")
        self.rows = await self.scene.rows()
        async with self.scene.database.begin() as transaction:
            for company in (1, 2):
                named = company_of(TokenOwner(1, "Ada", company, f"company {company}", None))
                account = await accounts.meet(
                    transaction, named, credential=f"{company}", now=self.scene.clock()
                )
            self.account = account

    async def arrange(self) -> None:
        """All files wait for their deals, and the deals for the end of the same pause."""
        now = self.scene.clock()
        waits = {"state": PublicationState.PENDING.value, "due_at": now + HOUR, "reason": "waits"}
        keys = sorted({row.user_key for row in self.rows})
        async with self.scene.database.begin() as transaction:
            for change in await accounts.everyone(transaction):
                await accounts.set_at_present(transaction, Vendor.DESTINATION, change.key, now)
            nowhere = dict.fromkeys(("token", "lease_until", "deal_id", "activity_id"))
            await transaction.execute(publication_rows.update().values({**waits, **nowhere}))
            await transaction.execute(deal_rows.delete())
            await transaction.execute(
                deal_rows.insert(), [{"user_key": key, **waits} for key in reversed(keys)]
            )
            await pauses.pause(
                transaction, pauses.PUBLISHING, Pause(now + HOUR, "a pause"), now=now
            )

    async def switch(self, transaction: Transaction) -> None:
        await account_switch.switch(transaction, Vendor.DESTINATION, self.scene.clock())

    async def retry(self, transaction: Transaction) -> None:
        await publications.retry(transaction, self.rows[-1].id, self.scene.clock())

    async def end_the_pause(self, transaction: Transaction) -> None:
        await pauses.end_pauses(transaction, [pauses.PUBLISHING], self.scene.clock())

    async def take_in(self, transaction: Transaction) -> None:
        sightings = [
            Sighting(ActivityId(row.id), row.marker, DealId(int(row.user_key)), None)
            for row in reversed(self.rows)
        ]
        now = self.scene.clock()
        await markers.take_in(transaction, self.account.key, sightings, now)

    async def delete_files(self, transaction: Transaction) -> None:
        """A check holds its user while it follows what GitHub shows no more."""
        user = self.rows[0].user_key
        await users.lock(transaction, user)
        files = [row.file_key for row in self.rows if row.user_key == user]
        await publications.skip_deleted(transaction, files, self.scene.clock())

    async def all_at_once(self, *acts: Act) -> Counter[str]:
        async def do(act: Act) -> str:
            async with self.scene.database.begin() as transaction:
                await act(transaction)
            return ""

        done = await asyncio.gather(*(do(act) for act in acts), return_exceptions=True)
        # One that comes too late, as what it would retry is published, is no failure.
        failures = [each for each in done if isinstance(each, BaseException)]
        return Counter(
            str(each) for each in failures if not isinstance(each, PublicationStateError)
        )


async def test_all_that_changes_publications_goes_on_beside_each_other(scene: Scene) -> None:
    crowd = Crowd(scene)
    await crowd.begin()
    failed: Counter[str] = Counter()
    for number in range(ROUNDS):
        await crowd.arrange()
        acts = [crowd.switch, crowd.retry, crowd.end_the_pause, crowd.take_in, crowd.delete_files]
        turn = number % len(acts)
        failed += await crowd.all_at_once(*acts[turn:], *acts[:turn])
    assert not failed
