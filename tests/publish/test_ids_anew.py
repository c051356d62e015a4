"""An account that begins its ids anew, as after a restore by the vendor, blocks no publication."""

from datetime import timedelta

import pytest

from gitpip.model import ActivityId, DealId
from gitpip.status.accounts import contents
from gitpip.status.problem import ProblemKind
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.publications import markers, publications
from gitpip.store.publications.recognition import Sighting
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_events import EventKind
from gitpip_standins import Pipedrive as Crm
from gitpip_standins import Server
from tests.support.happened import happened
from tests.support.scene import Process, Scene
from tests.support.tokens import TOKEN

pytestmark = pytest.mark.long


@pytest.mark.parametrize("by", ["retry", "acknowledgement"])
async def test_an_older_file_gives_up_the_id_of_its_activity_until_a_person_acts(
    scene: Scene, by: str
) -> None:
    await scene.find_files("ada", "1.py", "2.py")
    await scene.settle(await scene.process())
    fresh = Crm(token=TOKEN, clock=scene.clock, burst=None, search_burst=None)
    with Server(fresh.app) as server:
        process = Process(scene.url, server.url, scene.clock)
        scene._processes.append(process)
        await scene.find_files("ada", "new.py")
        await scene.settle(process)
        rows = {row.filename: row for row in await scene.rows()}
        assert rows["new.py"].state.value == "published"
        assert [each["id"] for each in fresh.activities] == [rows["new.py"].activity_id]
        former = next(
            row for row in rows.values() if row.filename != "new.py" and row.activity_id is None
        )
        assert former.state.value == "skipped"
        assert former.reason is not None
        assert "Pipedrive has given its number to another file" in former.reason
        assert await happened(scene.database, EventKind.PUBLICATIONS_SKIPPED) == [
            ("publications.skipped", "ada", f"{former.filename}: {former.reason}")
        ]
        # A later comparison finds everything that it looks for, and that is no end of it.
        scene.clock.advance(timedelta(days=2))
        async with scene.database.begin() as transaction:
            await ledger.request(transaction, scene.clock())
        await process.run()
        assert await told(scene) == [former.filename]
        async with scene.database.begin() as transaction:
            if by == "retry":
                await publications.retry(transaction, former.id, scene.clock())
            else:
                await ledger.lock(transaction)
                assert await ledger.acknowledge_missing(transaction, scene.clock()) == 1
        assert await told(scene) == []
        await scene.settle(process)
        states = {row.filename: row.state.value for row in await scene.rows()}
        assert states[former.filename] == ("published" if by == "retry" else "skipped")


async def told(scene: Scene) -> list[str]:
    """The files that the status says to have lost their activity."""
    async with scene.database.read() as transaction:
        problems = await contents(transaction, scene.clock())
    sentences = [one.sentence for one in problems if one.kind is ProblemKind.ACTIVITIES_MISSING]
    return [name for one in sentences for name in ("1.py", "2.py") if f"e.g. {name}" in one]


async def test_a_file_that_is_listed_ends_the_alarm_at_the_next_comparison(scene: Scene) -> None:
    await scene.find_files("ada", "1.py", "2.py", "3.py")
    await scene.settle(await scene.process())
    scene.clock.advance(timedelta(hours=1))
    scene.crm.empty_account()
    await (await scene.process()).run()
    await scene.find_files("ada", "4.py")
    process = await scene.process()
    await scene.settle(process)
    assert await missing(scene) == 3
    async with scene.database.begin() as transaction:
        await ledger.request(transaction, scene.clock())
    await process.run()
    assert await missing(scene) == 0


async def missing(scene: Scene) -> int:
    async with scene.database.read() as transaction:
        return (await ledger.read(transaction)).missing


async def test_an_activity_that_waits_gives_its_id_to_no_second_file(scene: Scene) -> None:
    await scene.find_files("ada", "1.py")
    process = await scene.process()
    await scene.settle(process)
    [row] = await scene.rows()
    assert row.activity_id
    async with scene.database.begin() as transaction:
        account = await accounts.bound(transaction, Vendor.DESTINATION)
        assert account
        copy = Sighting(ActivityId(row.activity_id + 1), row.marker, DealId(7), None)
        await markers.take_in(transaction, account.key, [copy], scene.clock())
    scene.crm.empty_account()
    await scene.find_files("ada", "other.py")
    await scene.settle(process)
    scene.clock.advance(timedelta(hours=1))
    async with scene.database.begin() as transaction:
        await ledger.request(transaction, scene.clock())
    await process.run()
    await scene.find_files("ada", "third.py")
    await scene.settle(process)
    states = {row.filename: row.state.value for row in await scene.rows()}
    assert (states["other.py"], states["third.py"]) == ("published", "published")
