"""The rows belong to one company: to another one nothing is sent until a person decides."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from gitpip.actions import accounts as account_actions
from gitpip.errors import AccountUnchanged
from gitpip.model import ActivityId, DealId, Pause, PublicationState
from gitpip.publish.account_guard import company_of
from gitpip.publish.destination import TokenOwner
from gitpip.store.accounts import account_switch, accounts
from gitpip.store.publications import markers, publications, undone
from gitpip.store.publications.recognition import Sighting
from gitpip.store.schema import publications as publication_rows
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_accounts import accounts as account_rows
from gitpip.store.schema_events import EventKind
from gitpip.store.status import pauses, troubles
from gitpip_standins import Fault, Server
from gitpip_standins import Pipedrive as Crm
from tests.publish.test_sent_again import send_again
from tests.publish.test_undo import acting
from tests.publish.test_undo_portions import undo_killed_after_a_portion
from tests.support.clocks import Clock
from tests.support.happened import happened
from tests.support.scene import Process, Scene
from tests.support.tokens import TOKEN

pytestmark = pytest.mark.long

OTHER_TOKEN = "fedcba9876543210fedcba9876543210fedcba98"


@pytest.fixture
def other_crm(clock: Clock) -> Crm:
    crm = Crm(token=OTHER_TOKEN, clock=clock, burst=100_000, search_burst=None)
    crm.company_id, crm.company_name, crm.company_domain = 2, "Other Ltd", "other"
    return crm


@pytest.fixture
def other_url(other_crm: Crm) -> Iterator[str]:
    with Server(other_crm.app) as server:
        yield f"{server.url}/api"


class Both:
    """One process, whose token can be of either company."""

    def __init__(self, scene: Scene, process: Process, url: str) -> None:
        self.scene = scene
        self.process = process
        self._urls = {TOKEN: f"{scene.crm_url}/api", OTHER_TOKEN: url}

    def set_token(self, token: str) -> None:
        """As when somebody changes the file with the token."""
        self.process.pipedrive._api_url = self._urls[token]
        self.process.pipedrive.set_token(SecretStr(token))

    async def switch(self) -> None:
        async with self.scene.database.begin() as transaction:
            await account_switch.switch(transaction, Vendor.DESTINATION, self.scene.clock())

    async def change(self) -> accounts.AccountChange | None:
        async with self.scene.database.read() as transaction:
            return await accounts.change(transaction, Vendor.DESTINATION)


@pytest.fixture
async def both(scene: Scene, other_url: str) -> Both:
    return Both(scene, await scene.process(), other_url)


async def test_with_another_companys_token_nothing_is_sent(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    await scene.find_files("ada", "a.py")
    await both.process.run()
    both.set_token(OTHER_TOKEN)
    await scene.find_files("ada", "b.py")
    for _ in range(3):
        await both.process.run()
    assert await scene.states() == ["published", "pending"]
    assert [request.path for request in other_crm.requests] == ["/api/v1/users/me"]
    assert not await both.process.publisher.due()
    change = await both.change()
    assert change is not None
    assert (change.bound.name, change.waiting.name) == ("Example", "Other Ltd")

    # The former token again: all goes on, and nothing had to be decided.
    both.set_token(TOKEN)
    await scene.settle(both.process)
    assert await both.change() is None
    await scene.assert_each_is_there_once()
    with pytest.raises(AccountUnchanged):
        await both.switch()


async def test_what_waits_to_be_sent_again_stays_with_its_account(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    await scene.find_files("ada", "a.py")
    await both.process.run()
    [first] = await scene.rows()
    await send_again(scene, 1)
    for token in (OTHER_TOKEN, TOKEN):
        both.set_token(token)
        for _ in range(3):
            await both.process.run()
        await account_actions.switch(acting(scene), Vendor.DESTINATION)
        await scene.settle(both.process)
    [after] = await scene.rows()
    assert (after.state, after.activity_id) == (first.state, first.activity_id)
    assert len(scene.crm.activities) == 1
    assert not other_crm.activities


async def test_what_an_undo_had_no_time_to_withdraw_is_not_sent_to_the_next_account(
    scene: Scene, other_crm: Crm, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undone, "WITHDRAWN_AT_ONCE", 2)
    await scene.find_files("ada", "a.py")
    await both.process.run()
    await scene.find_files("ada", *(f"{number}.py" for number in range(5)))
    await undo_killed_after_a_portion(scene)
    both.set_token(OTHER_TOKEN)
    for _ in range(3):
        await both.process.run()
    await account_actions.switch(acting(scene), Vendor.DESTINATION)
    await scene.settle(both.process)
    assert not other_crm.activities
    assert Counter(await scene.states()) == {"withdrawn": 5, "skipped": 1}


async def test_the_owner_of_the_token_is_read_without_anything_to_publish(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    publisher = both.process.publisher
    for token, told in ((TOKEN, False), (OTHER_TOKEN, True), (TOKEN, False), (OTHER_TOKEN, True)):
        both.set_token(token)
        assert await publisher.due()
        await both.process.run()
        assert not await publisher.due()
        assert (await both.change() is not None) == told
    # A restored database does not know that another company's token is set.
    async with scene.database.begin() as transaction:
        await transaction.execute(update(account_rows).values(waits_since=None))
    assert not await publisher.due()
    assert await both.change() is not None
    assert [request.path for request in other_crm.requests] == ["/api/v1/users/me"]


async def test_what_the_lists_of_one_company_showed_is_not_adopted_for_another(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    await scene.find_files("ada", "a.py", "b.py")
    await (await scene.process()).run()
    async with scene.database.begin() as transaction:
        # The ledger loses its last commit, so the process that starts later adopts, and waits.
        unsent = {"state": "pending", "activity_id": None, "published_at": None, "sent_at": None}
        await transaction.execute(update(publication_rows).values(unsent))
    await both.process.run()
    assert await scene.states() == ["published", "published"]
    assert await scene.pause() is not None
    both.set_token(OTHER_TOKEN)
    scene.clock.advance(timedelta(hours=1))
    await both.process.run()
    await both.switch()
    await scene.find_files("ada", "c.py")
    await scene.settle(both.process)
    assert await scene.states() == ["skipped", "skipped", "published"]
    assert len(other_crm.activities) == 1


async def test_two_processes_with_tokens_of_two_users_ask_once_each(scene: Scene) -> None:
    processes = [await scene.process(), await scene.process()]
    processes[1].pipedrive.set_token(SecretStr("another-users"))
    scene.crm.colleagues["another-users"] = 3

    for number in range(6):
        await scene.find_files("ada", f"{number}.py")
        await processes[number % 2].run()
    assert sum(request.path == "/api/v1/users/me" for request in scene.crm.requests) == 2
    await scene.assert_each_is_there_once()


async def test_a_process_with_another_companys_token_is_told_as_long_as_it_runs(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    ours, theirs = await scene.process(), both.process
    await ours.run()
    both.set_token(OTHER_TOKEN)
    await theirs.run()

    async def change() -> accounts.AccountChange | None:
        async with ours.database.read() as transaction:
            return await accounts.change(transaction, Vendor.DESTINATION, scene.clock())

    told = await change()
    assert told
    assert not told.goes_on
    for _ in range(10):
        assert not await ours.publisher.due()
        assert not await theirs.publisher.due()
        told = await change()
        assert told
        assert told.goes_on
        scene.clock.advance(accounts.NOTED_EVERY)
    # It ends; what is published meanwhile goes where it belongs.
    await scene.find_files("ada", "a.py")
    await ours.run()
    assert await scene.states() == ["published"]
    scene.clock.advance(accounts.NOTED_FOR)
    assert not await ours.publisher.due()
    assert await change() is None
    # Without anybody who has the bound one set it is told for as long as that is so.
    both.set_token(OTHER_TOKEN)
    assert not await theirs.publisher.due()
    scene.clock.advance(10 * accounts.NOTED_FOR)
    told = await change()
    assert told
    assert not told.goes_on


async def test_who_has_the_former_token_after_a_switch_says_so(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    ours, theirs = await scene.process(), both.process
    await ours.run()
    both.set_token(OTHER_TOKEN)
    await theirs.run()
    await both.switch()
    assert await both.change() is None
    await scene.find_files("ada", "a.py")
    assert not await ours.publisher.due()
    change = await both.change()
    assert change is not None
    assert (change.bound.name, change.waiting.name) == ("Other Ltd", "Example")
    # It is told also while publishing is paused, and after a restore that does not know it.
    async with scene.database.begin() as transaction:
        await transaction.execute(update(account_rows).values(waits_since=None))
        await pauses.pause(
            transaction,
            pauses.PUBLISHING,
            Pause(scene.clock() + accounts.NOTED_FOR, "a limit"),
            now=scene.clock(),
        )
    assert not await ours.publisher.due()
    assert await both.change() is not None


async def test_another_users_token_of_the_same_company_is_no_change(
    scene: Scene, both: Both
) -> None:
    await scene.find_files("ada", "a.py")
    await both.process.run()
    scene.crm.token, scene.crm.user_id = "another-users", 3
    both.process.pipedrive.set_token(SecretStr("another-users"))
    await scene.find_files("ada", "b.py")
    await scene.settle(both.process)
    assert await both.change() is None
    await scene.assert_each_is_there_once()
    async with scene.database.read() as transaction:
        bound = await accounts.bound(transaction, Vendor.DESTINATION)
    assert bound is not None
    assert bound.creators == {1, 3}


async def test_switching_keeps_the_accounts_apart_and_switching_back_finds_all(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    """Both companies number their deals and activities from 1."""
    stranger = other_crm.add_deal("a customer of the other company")
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    await scene.settle(both.process)
    before = await scene.rows()
    both.set_token(OTHER_TOKEN)
    await scene.find_files("ada", "c.py")
    await both.process.run()
    await both.switch()
    await scene.settle(both.process)

    assert await scene.states() == ["skipped", "skipped", "published"]
    switched = [("account.switched", None, "pipedrive: Example → Other Ltd")]
    assert await happened(scene.database, EventKind.ACCOUNT_SWITCHED) == switched
    assert "published to Example" in str((await scene.rows())[0].reason)
    assert [a["subject"].split(" ")[0] for a in other_crm.activities] == ["c.py"]  # type: ignore[attr-defined]
    assert all(activity["deal_id"] != stranger for activity in other_crm.activities)
    assert len(scene.crm.activities) == 2
    # A person may want it in the other company, too.
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, before[0].id, scene.clock())
    await scene.settle(both.process)
    assert len(other_crm.activities) == 2

    both.set_token(TOKEN)
    await both.process.run()
    await both.switch()
    await scene.find_files("bob", "d.py")
    await scene.settle(both.process)
    rows = await scene.rows()
    assert [row.state.value for row in rows] == ["published", "published", "skipped", "published"]
    assert [(row.activity_id, row.deal_id) for row in rows[:2]] == [
        (row.activity_id, row.deal_id) for row in before
    ]
    assert rows[3].deal_id == before[1].deal_id
    assert len(scene.deals()) == 2
    assert len(other_crm.activities) == 2

    both.set_token(OTHER_TOKEN)
    await both.process.run()
    await both.switch()
    await scene.settle(both.process)
    states = [row.state for row in await scene.rows()]
    assert states.count(PublicationState.PUBLISHED) == 2
    assert len(other_crm.activities) == 2


async def test_activities_missing_in_the_former_company_are_no_problem_of_the_next(
    scene: Scene, both: Both
) -> None:
    await scene.find_files("ada", "a.py")
    await scene.settle(both.process)
    async with scene.database.begin() as transaction:
        # As after Pipedrive has given the number of its activity to another file.
        await transaction.execute(
            publication_rows.update().values(
                state="skipped", activity_id=None, activity_lost_at=scene.clock()
            )
        )
        assert (await troubles.activities_lost(transaction)).count == 1
    both.set_token(OTHER_TOKEN)
    await scene.find_files("ada", "b.py")
    await both.process.run()
    await both.switch()
    async with scene.database.read() as transaction:
        assert (await troubles.activities_lost(transaction)).count == 0


async def test_a_file_sent_twice_can_be_sent_to_the_next_company(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    await scene.settle(both.process)
    [row] = await scene.rows()
    assert (row.state, row.attempts) == (PublicationState.PUBLISHED, 2)
    both.set_token(OTHER_TOKEN)
    await both.process.run()
    await both.switch()
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, row.id, scene.clock())
    async with asyncio.timeout(30):  # it was claimed again and again
        await scene.settle(both.process)
    assert len(other_crm.activities) == 1


async def test_what_may_be_in_the_former_company_is_looked_for_there_only(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities")
    await scene.find_files("ada", "a.py")
    await both.process.run()
    assert await scene.states() == ["uncertain"]
    both.set_token(OTHER_TOKEN)
    await both.process.run()
    await both.switch()
    await scene.settle(both.process)
    assert await scene.states() == ["skipped"]
    assert other_crm.activities == []

    both.set_token(TOKEN)
    await both.process.run()
    await both.switch()
    await scene.settle(both.process)
    await scene.assert_each_is_there_once()


async def test_a_token_that_is_changed_during_a_send_sends_nothing_to_the_other_company(
    scene: Scene, other_crm: Crm, both: Both
) -> None:
    await scene.find_files("ada", "a.py")
    await both.process.run()
    await scene.find_files("ada", "b.py")
    sending = await scene.freeze_in_state(both.process, PublicationState.SENDING)
    both.set_token(OTHER_TOKEN)
    both.process.database.thawed.set()
    await sending
    await both.process.run()
    assert await scene.states() == ["published", "pending"]
    assert [request.path for request in other_crm.requests] == ["/api/v1/users/me"]
    both.set_token(TOKEN)
    await scene.settle(both.process)
    await scene.assert_each_is_there_once()


async def test_nothing_is_sent_before_the_company_is_known(scene: Scene) -> None:
    scene.crm.faults.script(Fault.error(500), path="/users/me", times=2)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    for _ in range(2):
        await process.run()
        assert all(request.path == "/api/v1/users/me" for request in scene.crm.requests)
        pause = await scene.pause()
        assert pause is not None
        await scene.wake()
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_comparison_that_ends_after_a_switch_changes_nothing(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    async with scene.database.begin() as transaction:
        for number in (1, 2):
            owner = TokenOwner(1, "Ada", number, f"company {number}", None)
            await accounts.meet(
                transaction, company_of(owner), credential=str(number), now=scene.clock()
            )
        former = await accounts.bound(transaction, Vendor.DESTINATION)
        assert former
        await account_switch.switch(transaction, Vendor.DESTINATION, scene.clock())
    [row] = await scene.rows()
    async with scene.database.begin() as transaction:
        seen = Sighting(ActivityId(900), row.marker, DealId(7), None)
        told = await markers.take_in(transaction, former.key, [seen], scene.clock())
    assert told == markers.TakenIn()
    assert await scene.rows() == (row,)
