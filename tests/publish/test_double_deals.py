"""A deal that was sent twice is looked at again: a user with two of them is told."""

import asyncio
from datetime import timedelta

import pytest

from gitpip.model import PublicationState
from gitpip.publish.delivery import ABSENCE, SEARCH_MAX_AGE
from gitpip.publish.pipedrive.deal_field import NAME
from gitpip.status.problem import Problem, ProblemKind
from gitpip.status.publishing import problems
from gitpip.store.schema_publishing import second_deals
from gitpip_standins import Fault
from tests.publish.test_whose_deal import rename
from tests.support.scene import Process, Scene

pytestmark = pytest.mark.long

LONG = ABSENCE + timedelta(minutes=2)
SECOND, FIRST = 1, 2
"""The ids of the deals of the two requests: the first one lands last."""
SENT_AGAIN = [SECOND]


async def send_twice(scene: Scene, lands_after: timedelta = LONG) -> Process:
    """Publish a file of a user whose deal arrives only after it was sent once more."""
    scene.crm.faults.script(Fault.lands(lands_after), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    assert [deal["id"] for deal in scene.crm.deals] == SENT_AGAIN
    return process


async def told(scene: Scene) -> list[Problem]:
    async with scene.database.read() as transaction:
        found = await problems(
            transaction, scene.clock(), request_timeout=scene.timeout, goes_on=True
        )
    return [problem for problem in found if problem.kind is ProblemKind.DEALS_DOUBLED]


async def is_watched(scene: Scene) -> bool:
    async with scene.database.read() as transaction:
        return (await transaction.execute(second_deals.select())).first() is not None


async def test_a_deal_that_lands_after_all_is_told_and_left(scene: Scene) -> None:
    process = await send_twice(scene)
    assert await told(scene) == []
    await scene.settle(process, watched=True)
    [problem] = await told(scene)
    for words in ("1 person has", "ada", f"uses deal {SECOND}", f"leaves deal {FIRST}", "Merge"):
        assert words in problem.sentence
    assert not any(request.method == "DELETE" for request in scene.crm.requests)
    assert not await is_watched(scene)

    # The ledger keeps one.
    await scene.find_files("ada", "b.py")
    await scene.settle(process)
    assert {row.deal_id for row in await scene.rows()} == {SECOND}
    assert len(scene.crm.deals) == len({SECOND, FIRST})


async def test_it_is_looked_at_for_an_hour_at_a_bounded_cost(scene: Scene) -> None:
    process = await send_twice(scene, timedelta(days=1))
    asked = len(scene.crm.requests)
    began = scene.clock()
    await scene.settle(process, watched=True)
    assert timedelta(minutes=55) < scene.clock() - began < timedelta(minutes=75)
    assert [request.path for request in scene.crm.requests[asked:]] == ["/api/v2/deals"] * 4
    assert await told(scene) == []


@pytest.mark.parametrize("winning", [SECOND, FIRST])
async def test_merged_deals_are_told_no_more(scene: Scene, winning: int) -> None:
    process = await send_twice(scene)
    await scene.settle(process, watched=True)
    scene.crm.merge_deals({SECOND: FIRST, FIRST: SECOND}[winning], winning)
    await scene.find_files("ada", "b.py")
    await scene.settle(process, watched=True)
    if winning == FIRST:
        assert await told(scene) == []
    await scene.assert_each_is_there_once()


async def test_one_that_is_mended_within_the_hour_is_told_no_more(scene: Scene) -> None:
    process = await send_twice(scene)
    while not await told(scene):
        await scene.wake(watched=True)
        await process.run()
    scene.crm.merge_deals(FIRST, SECOND)
    await scene.settle(process, watched=True)
    assert await told(scene) == []


async def test_a_deal_that_a_person_makes_is_none_of_ours(scene: Scene) -> None:
    process = await send_twice(scene, timedelta(days=1))
    scene.crm.add_deal("ada", creator_user_id=7)
    await scene.settle(process, watched=True)
    assert await told(scene) == []


@pytest.mark.parametrize("with_field", [True, False])
async def test_a_rename_between_the_two_requests_hides_nothing(
    scene: Scene, with_field: bool
) -> None:
    scene.crm.fields_allowed = with_field
    scene.crm.faults.script(Fault.lands(LONG), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    await rename(scene, "ada", "countess")
    await scene.settle(process, watched=True)
    assert scene.deals() == {"ada": 1, "countess": 1}
    assert (NAME in scene.crm.deal_fields.values()) is with_field
    [problem] = await told(scene)
    assert "countess" in problem.sentence


async def test_a_list_that_fails_ends_no_watch(scene: Scene) -> None:
    process = await send_twice(scene)
    scene.crm.faults.script(Fault.error(500), method="GET", path="deals$", times=2)
    await scene.settle(process, watched=True)
    assert len(await told(scene)) == 1


async def test_a_reading_that_took_long_is_followed_by_another_look(scene: Scene) -> None:
    """What landed meanwhile is found before the deal is sent once more."""
    late = ABSENCE + timedelta(minutes=1)
    scene.crm.faults.script(Fault.lands(late), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    while True:
        await process.run()
        await scene.wake()
        row = await scene.deal_row("ada")
        assert row.state is PublicationState.UNCERTAIN
        if row.in_flight_until is not None and row.in_flight_until <= scene.clock():
            break
    # The last look comes first, then the reading of all open deals.
    scene.crm.faults.script(Fault.held(), method="GET", path="deals$", about="sort_direction=asc")
    before = len(scene.crm.faults.injected)
    running = asyncio.create_task(_run_on(scene, process))
    await asyncio.to_thread(
        scene.crm.wait_until, lambda: len(scene.crm.faults.injected) == before + 1
    )
    scene.clock.advance(max(late - ABSENCE, SEARCH_MAX_AGE) + timedelta(seconds=1))
    scene.crm.faults.let_go()
    await running
    await scene.assert_each_is_there_once()
    assert (await scene.deal_row("ada")).deal_id == 1


async def _run_on(scene: Scene, process: Process) -> None:
    """Publish until the deal is made."""
    while (await scene.deal_row("ada")).state is not PublicationState.PUBLISHED:
        await process.run()
        await scene.wake()
    await scene.settle(process)
