"""Our clock may be wrong by days, or be set at any moment: nothing is sent twice for that."""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from gitpip.model import PublicationState
from gitpip.publish.delivery import ABSENCE, LONGEST_LEASE
from gitpip.status.publishing import problems
from gitpip.store.schema_publishing import second_deals, second_sends
from gitpip_standins import Fault
from tests.support.scene import OurClock, Scene

pytestmark = pytest.mark.long

DAYS = timedelta(days=2)
TEN_MINUTES = timedelta(minutes=10)


def posts(scene: Scene, path: str) -> int:
    return sum(r.method == "POST" and r.path.endswith(path) for r in scene.crm.requests)


@pytest.fixture
def ours(scene: Scene) -> OurClock:
    """The clock of the machine, which is not Pipedrive's."""
    scene.clock = ours = OurClock(scene.clock)
    return ours


@pytest.mark.parametrize("ahead", [DAYS, -DAYS], ids=["ahead", "behind"])
@pytest.mark.parametrize("path", ["activities", "deals"])
async def test_an_arrived_activity_is_found_whatever_our_clock_says(
    scene: Scene, ours: OurClock, ahead: timedelta, path: str
) -> None:
    ours.ahead = ahead
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path=f"{path}$")
    await scene.find_files("ada", "a.py")
    sent_at = ours()
    await scene.settle(await scene.process())
    assert ours() - sent_at < timedelta(seconds=5)
    assert posts(scene, path) == 1
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("step", [DAYS, -timedelta(minutes=2)], ids=["forward", "back"])
@pytest.mark.parametrize("path", ["activities", "deals"])
async def test_gitpip_waits_for_a_late_write_although_our_clock_is_set(
    scene: Scene, ours: OurClock, step: timedelta, path: str
) -> None:
    scene.crm.list_lag = timedelta(minutes=1)
    late = timedelta(minutes=3)
    scene.crm.faults.script(Fault.lands(late), method="POST", path=f"{path}$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    ours.ahead += step
    for _ in range(3):
        await scene.wake()
        await process.run()
        ours.ahead += step
    await scene.settle(process, watched=True)
    assert posts(scene, path) == 1
    await scene.assert_each_is_there_once()


async def test_another_processs_clock_that_is_ahead_only_makes_it_look_earlier(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "warm-up.py")
    sender = await scene.process()
    await sender.run()
    vendors = scene.clock
    scene.crm.faults.script(Fault.lands(timedelta(minutes=2)), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    await sender.run()
    scene.clock = ahead = OurClock(vendors)
    ahead.ahead = timedelta(minutes=10)
    await scene.settle(await scene.process(), watched=True)
    assert posts(scene, "activities") == 2
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("ahead", [TEN_MINUTES, -TEN_MINUTES], ids=["ahead", "behind"])
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_claim_holds_as_long_as_the_databases_clock_says(
    scene: Scene, ahead: timedelta
) -> None:
    """Neither is it taken early, nor held for ten minutes after its holder has died."""
    scene.server_clock = scene.clock
    clock = OurClock(scene.clock)
    clock.ahead = ahead
    sender, other = await scene.process(clock), await scene.process()
    await scene.find_files("ada", "warm-up.py")
    for process in (sender, other):
        await process.run()
    await scene.find_files("ada", "a.py")
    scene.clock.advance(TEN_MINUTES)
    sending = await scene.freeze_in_state(sender, PublicationState.SENDING)
    async with other.database.begin() as transaction:
        # What is sent in a process's first minutes is looked at again, by our own clock.
        for watched in (second_sends, second_deals):
            await transaction.execute(delete(watched))

    assert not await other.publisher.due()
    await other.run()
    assert await scene.states() == ["published", "sending"]
    scene.clock.advance(LONGEST_LEASE + timedelta(seconds=1))
    assert await other.publisher.due()
    await other.run()
    # Where its holder froze after the request, it is found at once.
    assert (await scene.states())[-1] in {"uncertain", "published"}

    sender.database.thawed.set()
    await sending
    await scene.settle(other)
    await scene.assert_each_is_there_once()


async def test_without_a_time_from_pipedrive_the_whole_list_is_read(scene: Scene) -> None:
    await scene.find_files("ada", "warm-up.py")
    await (await scene.process()).run()
    scene.crm.app.tells_time = False
    process = await scene.process()
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    await process.run()
    row = (await scene.rows())[-1]
    assert row.sent_after is None
    scene.crm.app.tells_time = True
    await scene.settle(process)
    looks = [r.query for r in scene.crm.requests if r.method == "GET" and "activities" in r.path]
    assert looks
    assert not any("updated_since" in query for query in looks)
    await scene.assert_each_is_there_once()


async def test_a_second_request_waits_for_the_floor_by_pipedrives_clock(
    scene: Scene, ours: OurClock
) -> None:
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    ours.ahead = DAYS
    await scene.settle(process)
    posted = [r.at for r in scene.crm.requests if r.method == "POST" and "activities" in r.path]
    assert ABSENCE <= posted[1] - posted[0] < timedelta(minutes=6)
    await scene.assert_each_is_there_once()


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("dateless", "ahead"), [("first", -HOUR), ("later", HOUR)])
@pytest.mark.parametrize("path", ["activities", "deals"])
async def test_a_look_without_a_time_by_pipedrives_clock_concludes_nothing(
    scene: Scene, ours: OurClock, dateless: str, ahead: timedelta, path: str
) -> None:
    ours.ahead = ahead
    scene.crm.faults.script(Fault.lands(timedelta(minutes=2)), method="POST", path=f"{path}$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    if dateless == "later":
        await scene.wake()
        await process.run()
    scene.crm.app.tells_time = False
    await scene.wake()
    await process.run()
    row = await scene.deal_row("ada") if path == "deals" else (await scene.rows())[0]
    assert row.state is PublicationState.UNCERTAIN
    assert "no Date header" in str(row.reason)
    scene.crm.app.tells_time = True
    await scene.settle(process, watched=True)
    assert posts(scene, path) == 1
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("path", ["activities", "deals"])
async def test_pipedrive_that_never_tells_its_time_is_told(scene: Scene, path: str) -> None:
    scene.crm.app.tells_time = False
    await scene.find_files("ada", "a.py")
    scene.crm.faults.script(Fault.drop(), method="POST", path=f"{path}$")
    process = await scene.process()
    end = scene.clock() + timedelta(minutes=15)
    while scene.clock() < end:
        await process.run()
        assert await scene.wake()
    assert posts(scene, path) == 1
    async with scene.database.read() as transaction:
        now = scene.clock()
        told = await problems(transaction, now, request_timeout=scene.timeout, goes_on=True)
    kind = "deals-uncertain" if path == "deals" else "publications-uncertain"
    [sentence] = [problem.sentence for problem in told if problem.kind == kind]
    assert "no Date header" in sentence
    assert "let it pass this header on" in sentence
    scene.crm.app.tells_time = True
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_deals_are_read_again_although_our_clock_was_set_back(
    scene: Scene, ours: OurClock
) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    scene.clock.advance(HOUR)
    ours.ahead = -DAYS
    scene.crm.add_deal("bob")
    await scene.find_files("bob", "b.py")
    await scene.settle(process)
    await scene.assert_each_is_there_once()
