"""What may have been sent into a deal is found where the deal's activities went since."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gitpip.model import PublicationState
from gitpip.publish.comparison_allowance import COMPARISON_MAX_AGE, COMPARISONS_IN_A_ROW
from gitpip.publish.delivery import ABSENCE
from gitpip.store.schema_publishing import doubles
from gitpip_standins import Fault, FaultKind
from tests.support.scene import Process, Scene

pytestmark = pytest.mark.long

Change = Callable[[Scene, int], None]

LISTS = "activities$"
OF_ALL_DEALS = r"^(?!.*deal_id).*updated_since"
"""The query of the list of all deals that a look reads."""
LONG = ABSENCE + timedelta(minutes=1)


def merge(scene: Scene, deal: int) -> None:
    scene.crm.merge_deals(deal, scene.crm.add_deal("ada"))


def move_one(scene: Scene, deal: int) -> None:
    """By hand, to another deal; its own stays open."""
    another = scene.crm.add_deal("somebody else's")
    scene.crm.edit_activity(len(scene.crm.activities), deal_id=another)


def move_and_archive(scene: Scene, deal: int) -> None:
    merged = scene.crm.add_deal("ada")
    for activity in scene.crm.activities:
        if activity["deal_id"] == deal:
            scene.crm.edit_activity(int(str(activity["id"])), deal_id=merged)
    scene.crm.archive_deal(deal)


@pytest.fixture
async def process(scene: Scene) -> Process:
    """A process that makes no comparison before it sends: those of one day are used up.

    A comparison would show where the activity is, too.
    """
    process = await scene.process()
    for number in range(COMPARISONS_IN_A_ROW + 1):
        await scene.find_files("ada", f"{number}.py")
        await process.run()
        scene.clock.advance(COMPARISON_MAX_AGE)
    return process


async def lose_an_answer(scene: Scene, process: Process, fault: Fault) -> int:
    """Send a file so that nobody knows whether it arrived; gives its deal."""
    sent = posts(scene)
    scene.crm.faults.script(fault, method="POST", path=LISTS)
    await scene.find_files("ada", "lost.py")
    await process.run()
    assert (await scene.states())[-1] == "uncertain"
    assert posts(scene) == sent + 1
    return int(str(scene.crm.deals[0]["id"]))


async def assert_each_was_sent_once(scene: Scene) -> None:
    assert set(await scene.states()) == {"published"}
    assert set(scene.activities().values()) == {1}
    assert posts(scene) == len(await scene.rows())


async def until_absence_can_be_concluded(scene: Scene, process: Process) -> None:
    """Let time pass until the next look that finds nothing is the last one."""
    while True:
        await scene.wake()
        row = (await scene.rows())[-1]
        if row.in_flight_until is not None and row.in_flight_until <= scene.clock():
            return
        await process.run()


def posts(scene: Scene) -> int:
    return sum(r.method == "POST" and r.path.endswith("activities") for r in scene.crm.requests)


def lists_of_all(scene: Scene) -> int:
    """How often activities of all deals were listed since a time."""
    return sum(
        r.method == "GET"
        and r.path.endswith("activities")
        and "deal_id" not in r.query
        and "updated_since" in r.query
        for r in scene.crm.requests
    )


@pytest.mark.parametrize("change", [merge, move_and_archive, move_one])
async def test_a_file_that_went_to_another_deal_is_found_there(
    scene: Scene, process: Process, change: Change
) -> None:
    deal = await lose_an_answer(scene, process, Fault.drop(processed=True))
    change(scene, deal)
    await scene.settle(process)
    await assert_each_was_sent_once(scene)


async def test_it_is_found_where_the_list_of_the_deal_that_is_gone_is_refused(
    scene: Scene, process: Process
) -> None:
    deal = await lose_an_answer(scene, process, Fault.drop(processed=True))
    merge(scene, deal)
    refusal = Fault(FaultKind.ERROR, processed=False, status=404)
    scene.crm.faults.script(refusal, method="GET", path=LISTS, about=f"deal_id={deal}&", times=None)
    await scene.settle(process)
    await assert_each_was_sent_once(scene)


async def test_it_is_looked_for_right_before_it_is_sent_again(
    scene: Scene, process: Process
) -> None:
    """The deals merge after a look that found nothing; the process that looked has stopped."""
    other = await scene.process()
    deal = await lose_an_answer(scene, other, Fault.lands(ABSENCE + timedelta(minutes=3)))
    await until_absence_can_be_concluded(scene, other)
    running = await scene.freeze_in_state(other, PublicationState.PENDING)
    other.publisher.stop()
    other.database.thawed.set()
    await running
    scene.clock.advance(timedelta(minutes=4))
    scene.crm.activities  # noqa: B018 - it lands now
    merge(scene, deal)

    await scene.settle(process)

    await assert_each_was_sent_once(scene)


async def test_it_is_sent_again_where_it_was_deleted_with_its_deal(
    scene: Scene, process: Process
) -> None:
    deal = await lose_an_answer(scene, process, Fault.drop(processed=True))
    scene.crm.delete_activity(len(scene.crm.activities))
    scene.crm.delete_deal(deal)

    await scene.settle(process)

    assert set(await scene.states()) == {"published"}
    assert set(scene.activities().values()) == {1}
    assert posts(scene) > len(await scene.rows())


async def test_absence_is_not_concluded_while_the_deal_is_unknown(
    scene: Scene, process: Process
) -> None:
    deal = await lose_an_answer(scene, process, Fault.drop(processed=True))
    merge(scene, deal)
    scene.crm.faults.script(Fault.error(500), method="GET", path=f"deals/{deal}$", times=5)
    await scene.settle(process)
    await assert_each_was_sent_once(scene)


async def test_all_deals_are_listed_once_before_it_is_sent_again(
    scene: Scene, process: Process
) -> None:
    await scene.end_youth(process, "ada")
    before = lists_of_all(scene)
    await lose_an_answer(scene, process, Fault.drop())
    await scene.settle(process)
    assert lists_of_all(scene) - before == 1
    await scene.assert_each_is_there_once()


async def moved_before_the_concluding_look(scene: Scene, process: Process) -> None:
    """Its answer is lost, and a person moves it at once; the last look comes next."""
    deal = await lose_an_answer(scene, process, Fault.drop(processed=True))
    move_one(scene, deal)
    await until_absence_can_be_concluded(scene, process)


def fail_the_list_of_all_deals(scene: Scene) -> None:
    """Fail it for one look, which asks twice."""
    scene.crm.faults.script(Fault.error(500), method="GET", path=LISTS, about=OF_ALL_DEALS, times=2)


async def test_a_list_of_all_deals_that_fails_lets_nothing_be_sent_again(
    scene: Scene, process: Process
) -> None:
    await moved_before_the_concluding_look(scene, process)
    fail_the_list_of_all_deals(scene)
    await process.run()
    assert (await scene.states())[-1] == "uncertain"
    await scene.settle(process)
    await assert_each_was_sent_once(scene)


async def test_nothing_is_sent_again_while_the_list_of_all_deals_fails_right_before(
    scene: Scene, process: Process
) -> None:
    """The activity lands late and is moved, after the last look and before the next request."""
    other = await scene.process()
    await lose_an_answer(scene, other, Fault.lands(ABSENCE + timedelta(minutes=3)))
    await until_absence_can_be_concluded(scene, other)
    running = await scene.freeze_in_state(other, PublicationState.PENDING)
    other.publisher.stop()
    other.database.thawed.set()
    await running
    scene.clock.advance(timedelta(minutes=4))
    scene.crm.activities  # noqa: B018 - it lands now
    move_one(scene, 1)
    fail_the_list_of_all_deals(scene)

    await scene.settle(process)

    await assert_each_was_sent_once(scene)


async def test_what_lands_late_and_is_moved_to_another_deal_leaves_one_activity(
    scene: Scene, process: Process
) -> None:
    await lose_an_answer(scene, process, Fault.lands(LONG))
    await scene.settle(process)
    scene.clock.advance(LONG)
    first, second = (int(str(each["id"])) for each in scene.crm.activities[-2:])
    scene.crm.edit_activity(first, deal_id=scene.crm.add_deal("somebody"))

    await scene.settle(process, watched=True)

    async with scene.database.read() as transaction:
        [told] = (await transaction.execute(doubles.select())).all()
    assert (told.activity_id, told.reason) == (second, None)
    assert (await scene.rows())[-1].activity_id == first
    assert set(scene.activities().values()) == {1}
