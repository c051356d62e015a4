"""A database that is restored under running processes is noticed before anything is sent."""

import asyncio
from datetime import timedelta

import pytest

from gitpip.actions.acting import Acting
from gitpip.actions.try_now import try_now
from gitpip.store import ledger
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database
from gitpip.store.schema_access import Via
from gitpip_standins import Fault
from tests.publish.test_held import answer, hold
from tests.support.restores import Backup
from tests.support.scene import Process, Scene, wake_nobody

pytestmark = pytest.mark.long

HOUR = timedelta(hours=1)
EVE = Actor("eve", Via.PAGE)


@pytest.fixture
async def bystander(scene: Scene) -> Process:
    """Another process on the same database, which has nothing to do yet."""
    return await scene.process()


async def state(database: Database) -> ledger.LedgerState:
    async with database.read() as transaction:
        return await ledger.read(transaction)


async def test_what_was_sent_after_the_backup_is_not_sent_again(
    scene: Scene, backup: Backup, bystander: Process
) -> None:
    sender = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(sender)
    await bystander.run()
    backup.make()
    await scene.find_files("ada", "new.py", "newer.py")
    await scene.find_files("bob", "his.py")
    await scene.settle(sender)
    before = scene.crm.activities
    # Nothing is due for it; it sees what the other one published.
    assert not await bystander.publisher.due()
    scene.clock.advance(HOUR)
    backup.restore()
    assert await scene.states() == ["published"]

    # The process that sent them is gone: the other one compares though nothing is due.
    assert await bystander.publisher.due()
    await bystander.run()
    assert (await state(scene.database)).set_back_at == scene.clock()
    assert not await bystander.publisher.due()
    scene._gists = 1
    await scene.find_files("ada", "new.py", "newer.py")
    await scene.find_files("bob", "his.py")
    await scene.settle(bystander)
    assert scene.crm.activities == before
    await scene.assert_each_is_there_once()


async def test_the_sender_itself_sends_nothing_again(scene: Scene, backup: Backup) -> None:
    sender = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(sender)
    await scene.find_files("ada", "new.py", "newer.py")
    backup.make()
    await scene.settle(sender)
    scene.clock.advance(HOUR)
    for _ in range(2):
        backup.restore()
        assert await scene.states() == ["published", "pending", "pending"]
        await scene.settle(sender)
        assert (await state(scene.database)).set_back_at is not None
        await scene.assert_each_is_there_once()
        scene.clock.advance(HOUR)


async def test_what_no_list_shows_yet_is_waited_for(scene: Scene, backup: Backup) -> None:
    sender = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(sender)
    await scene.find_files("ada", "new.py")
    backup.make()
    await sender.run()
    assert await scene.states() == ["published", "published"]
    backup.restore()
    scene.crm.list_lag = timedelta(minutes=2)
    await sender.run()
    assert await scene.states() == ["published", "pending"]
    assert await scene.pause() is not None
    await scene.settle(sender)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("answered", [True, False], ids=["", "whose answer was lost"])
async def test_a_deal_that_no_list_shows_yet_is_not_made_again(
    scene: Scene, backup: Backup, answered: bool
) -> None:
    sender = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(sender)
    await scene.find_files("bob", "new.py")
    backup.make()
    if not answered:
        scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    scene.crm.list_lag = timedelta(minutes=2)
    await sender.run()
    backup.restore()
    await scene.settle(sender)
    assert (await state(scene.database)).set_back_at is not None
    assert sorted(str(deal["title"]) for deal in scene.crm.deals) == ["ada", "bob"]
    await scene.assert_each_is_there_once()


async def test_a_database_that_was_not_set_back_is_not_said_to_be(scene: Scene) -> None:
    processes = [await scene.process(), await scene.process()]
    for process in processes:
        await process.run()
    for number in range(4):
        await scene.find_files("ada", f"{number}.py")
        await scene.settle(processes[number % 2])
        for process in processes:
            assert not await process.publisher.due()
        scene.clock.advance(HOUR)
    assert (await state(scene.database)).set_back_at is None
    assert (await state(scene.database)).others_seen_at is None


async def test_what_was_held_in_the_backup_and_sent_since_is_not_sent_again(
    scene: Scene, backup: Backup
) -> None:
    sender = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(sender)
    await scene.find_files("ada", "new.py")
    await hold(scene, "ada", "1.py", "2.py")
    backup.make()
    await scene.settle(sender)
    await answer(scene, "ada", "all")
    await scene.settle(sender)
    await sender.publisher.due()  # learns what is published, as the service does all the time
    backup.restore()
    await sender.publisher.due()
    await scene.settle(sender)
    await answer(scene, "ada", "all")
    await scene.settle(sender)
    assert (await state(scene.database)).set_back_at is not None
    assert set(scene.activities().values()) == {1}


async def test_what_is_sent_while_it_is_looked_at_is_no_sign_of_a_restore(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "first.py")
    await scene.settle(process)
    await scene.find_files("ada", *(f"{number}.py" for number in range(40)))
    publishing = asyncio.create_task(process.run())
    while not publishing.done():
        await asyncio.gather(*(process.publisher.due() for _ in range(4)))
    await publishing
    await scene.settle(process)
    assert (await state(scene.database)).set_back_at is None
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("login", ["ada", "bob"], ids=["a file", "the first file and its deal"])
@pytest.mark.parametrize("restores", [2, 3])
async def test_what_is_waited_for_is_waited_for_after_another_restore(
    scene: Scene, backup: Backup, login: str, restores: int
) -> None:
    sender = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(sender)
    await scene.find_files(login, "new.py")
    backup.make()
    scene.crm.list_lag = timedelta(minutes=2)
    await sender.run()
    for _ in range(restores):
        backup.restore()
        await sender.run()
        assert await scene.states() == ["published", "pending"]
        assert (await state(scene.database)).hold_until == scene.clock() + timedelta(minutes=5)
        scene.clock.advance(timedelta(seconds=20))
    await scene.settle(sender)
    assert sorted(str(deal["title"]) for deal in scene.crm.deals) == sorted({"ada", login})
    await scene.assert_each_is_there_once()


async def test_a_process_does_not_end_what_another_one_waits_for(
    scene: Scene, backup: Backup, bystander: Process
) -> None:
    sender = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(sender)
    await bystander.run()
    await scene.find_files("bob", "new.py")
    backup.make()
    scene.crm.list_lag = timedelta(minutes=2)
    await sender.run()
    await bystander.publisher.due()  # it sees what the other one has published
    backup.restore()
    await sender.run()
    until = (await state(scene.database)).hold_until
    assert until is not None
    # It misses what it has seen of the other one, and sent nothing itself.
    await try_now(Acting(scene.database, EVE, wake_nobody, scene.clock), ("publishing",))
    await bystander.run()
    assert (await state(scene.database)).hold_until == until
    await scene.settle(bystander)
    assert len(scene.crm.deals) == 2
    await scene.assert_each_is_there_once()
