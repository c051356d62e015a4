"""One list of all deals answers for many uncertain publications; each deal's list for the rest."""

from datetime import datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import update

from gitpip.publish.deals import subject_of
from gitpip.publish.running_tasks import LOOKS_AT_ONCE
from gitpip.store.schema import publications
from gitpip_standins import Fault
from tests.support.scene import Process, Scene

LISTS = "activities$"
OF_ALL_DEALS = r"^(?!.*deal_id).*updated_since"
USERS = ("ada", "bob", "cyd", "dee")


@pytest.fixture
async def process(scene: Scene) -> Process:
    """A process that has lost the answer about a file of each user; their looks are due."""
    process = await scene.process()
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path=LISTS, times=len(USERS))
    for login in USERS:
        await scene.find_files(login, f"{login}.py")
        await process.run()
    assert set(await scene.states()) == {"uncertain"}
    scene.clock.advance(timedelta(minutes=2))
    return process


def lists_since(scene: Scene, before: int) -> list[dict[str, str]]:
    """The queries of the lists of activities that were read after so many requests."""
    return [
        dict(parse_qsl(request.query))
        for request in scene.crm.requests[before:]
        if request.method == "GET" and request.path.endswith("activities")
    ]


@pytest.mark.parametrize("known", [True, False])
async def test_one_old_file_makes_the_shared_list_no_longer(
    scene: Scene, process: Process, *, known: bool
) -> None:
    now, rows = scene.clock(), await scene.rows()
    async with scene.database.begin() as transaction:
        await transaction.execute(
            update(publications)
            .where(publications.c.id == rows[0].id)
            .values(sent_after=now - timedelta(weeks=3) if known else None)
        )
    before = len(scene.crm.requests)
    await process.run()
    await scene.assert_each_is_there_once()
    of_all, *others = lists_since(scene, before)
    assert "deal_id" not in of_all
    assert now - datetime.fromisoformat(of_all["updated_since"]) < timedelta(minutes=5)
    assert [query["deal_id"] for query in others] == ["1"]


async def test_the_time_by_pipedrives_clock_is_kept_while_answers_tell_none(scene: Scene) -> None:
    process = await scene.process()
    client = process.pipedrive
    client.admit(client.fingerprint)
    await client.owner()
    scene.crm.app.dateless = lambda _: True
    await client.owner()
    assert client.now is not None


async def test_deals_lists_are_read_two_at_once_and_none_after_one_is_refused(
    scene: Scene, process: Process
) -> None:
    # Without what the list of all deals shows, each deal's own list answers.
    scene.crm.faults.script(Fault.error(500), method="GET", path=LISTS, about=OF_ALL_DEALS, times=2)
    scene.crm.faults.script(Fault.limited(), method="GET", path=LISTS, about="deal_id", times=None)
    before = len(scene.crm.requests)
    await process.run()
    of_deals = [query for query in lists_since(scene, before) if "deal_id" in query]
    assert 1 <= len(of_deals) <= LOOKS_AT_ONCE
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_every_find_ends_the_suspicion_of_its_file(scene: Scene, process: Process) -> None:
    rows = await scene.rows()
    assert all(process.publisher._sender.is_suspected(row) for row in rows)
    await process.run()
    await scene.assert_each_is_there_once()
    assert not any(process.publisher._sender.is_suspected(row) for row in rows)


async def test_finding_a_deal_ends_its_suspicion(scene: Scene) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    [row] = await scene.rows()
    assert process.publisher._sender.is_suspected(row)
    scene.crm.faults.script(Fault.error(500), method="POST", path=LISTS)
    await scene.wake()
    await process.run()
    assert not process.publisher._pauses.suspected(subject_of(row.user_key))
