"""What may have been sent is sent again only after a look of the moment, and by who looked last."""

import asyncio
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import update

from gitpip.model import PublicationState
from gitpip.publish import delivery
from gitpip.publish.deals import CLOCK_MARGIN
from gitpip.publish.delivery import ABSENCE, LONGEST_LEASE, SEARCH_MAX_AGE
from gitpip.store.publications import awaited_looks
from gitpip.store.schema import deals, publications
from gitpip_standins import Fault
from tests.support.scene import Process, Scene

pytestmark = pytest.mark.long

LISTS = "activities$"
LATE = ABSENCE + timedelta(minutes=3)
"""After its absence was concluded, and before it is sent again."""
SECOND = timedelta(seconds=1)
SHORT = timedelta(milliseconds=500)


def posts(scene: Scene) -> int:
    """How often activities were sent."""
    return sum(r.method == "POST" and "activities" in r.path for r in scene.crm.requests)


async def held(scene: Scene, number: int) -> None:
    """Return when so many answers are held."""
    await asyncio.to_thread(scene.crm.wait_until, lambda: len(scene.crm.faults.injected) == number)


async def until_absence_can_be_concluded(scene: Scene, process: Process) -> None:
    """Publish, and let time pass, until the next look that finds nothing is the last one."""
    while True:
        await process.run()
        await scene.wake()
        row = next(r for r in await scene.rows() if r.state is PublicationState.UNCERTAIN)
        if row.in_flight_until is not None and row.in_flight_until <= scene.clock():
            return


@pytest.fixture
async def survivor(scene: Scene) -> Process:
    """A process that knows the account, and has compared the ledger."""
    process = await scene.process()
    await scene.find_files("ada", "warm-up.py")
    await process.run()
    return process


@pytest.fixture
async def absent(scene: Scene, survivor: Process) -> None:
    """A file that is taken for lost, arrives late, and is not sent again yet."""
    await lose(scene, Fault.lands(LATE))


async def lose(scene: Scene, fault: Fault) -> None:
    """Have a file taken for lost, and not sent again yet as its process has ended."""
    scene.crm.faults.script(fault, method="POST", path=LISTS)
    await scene.find_files("ada", "a.py")
    await end_before_the_second_send(scene)
    assert await scene.states() == ["published", "pending"]


async def lose_several(scene: Scene, *faults: Fault) -> None:
    """Have files of one deal taken for lost, among others that arrive: so nothing is paused."""
    for number, fault in enumerate(faults):
        scene.crm.faults.script(fault, method="POST", path=LISTS, about=f"lost-{number}.py")
        for name in ("before", "lost", "after"):
            await scene.find_files("ada", f"{name}-{number}.py")
    await end_before_the_second_send(scene)
    assert (await scene.states()).count("pending") == len(faults)


async def end_before_the_second_send(scene: Scene) -> None:
    process = await scene.process()
    await until_absence_can_be_concluded(scene, process)
    running = await scene.freeze_in_state(process, PublicationState.PENDING)
    process.publisher.stop()
    process.database.thawed.set()
    await running


def lists(scene: Scene) -> int:
    """How often a list was asked for what was sent since a time, as a look does."""
    return sum(r.method == "GET" and "updated_since" in r.query for r in scene.crm.requests)


@pytest.mark.usefixtures("absent")
async def test_what_landed_after_the_last_look_is_found_before_it_is_sent_again(
    scene: Scene, survivor: Process
) -> None:
    scene.clock.advance(LATE - ABSENCE)
    async with asyncio.timeout(10):  # else it would be claimed again and again
        await survivor.run()
    assert posts(scene) == len(await scene.rows())
    await scene.assert_each_is_there_once()


@pytest.mark.usefixtures("absent")
async def test_a_look_that_took_long_is_made_again_before_anything_is_sent(
    scene: Scene, survivor: Process
) -> None:
    scene.clock.advance(SEARCH_MAX_AGE + SECOND)
    scene.crm.faults.script(Fault.held(), method="GET", path=LISTS)
    before = len(scene.crm.faults.injected)
    running = asyncio.create_task(survivor.run())
    await held(scene, before + 1)
    scene.clock.advance(LATE - ABSENCE)
    scene.crm.faults.let_go()
    await running
    assert posts(scene) == len(await scene.rows())
    await scene.assert_each_is_there_once()


@pytest.mark.usefixtures("absent")
async def test_a_look_that_took_long_is_made_again_while_the_claim_is_renewed(
    scene: Scene, survivor: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    lands_at = (await sent_at(scene)) + LATE
    scene.clock.now = lands_at - SHORT
    # One is the look's; the other compares the ledger, and nothing waits for it.
    scene.crm.faults.script(Fault.held(), Fault.held(), method="GET", path=LISTS)
    before = len(scene.crm.faults.injected)
    with monkeypatch.context() as shortened:
        shortened.setattr(delivery, "LONGEST_LEASE", SHORT)
        shortened.setattr(delivery, "SEARCH_MAX_AGE", SHORT)
        running = asyncio.create_task(survivor.run())
        await held(scene, before + 2)
        for _ in range(3):
            scene.clock.advance(0.9 * SHORT)
            async with asyncio.timeout(20):
                await renewed(scene)
        scene.crm.faults.let_go()
        await running
    assert scene.clock() > lands_at
    assert posts(scene) == len(await scene.rows())
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("moments", range(3, 9))
async def test_a_process_that_lost_its_claim_does_not_send_under_that_of_another(
    scene: Scene, survivor: Process, moments: int
) -> None:
    """What it claimed was sent and taken for lost meanwhile, and is to be sent again.

    After its checks only the claim tells it: one of these moments is right before it sends.
    """
    if not scene.database.is_sqlite:
        pytest.skip("the same statement on both databases")
    scene.crm.faults.script(Fault.lands(LATE), method="POST", path=LISTS)
    await scene.find_files("ada", "a.py")
    slow = await scene.process()
    claimed = asyncio.create_task(slow.run())
    await scene.freeze_when(slow, lambda rows: rows[-1].token is not None)
    for _ in range(moments):
        await slow.one_moment(claimed)
    if (await scene.rows())[-1].state is not PublicationState.PENDING:
        slow.thaw()
        await claimed
        return  # it was sent in time
    scene.clock.advance(2 * LONGEST_LEASE)
    await until_absence_can_be_concluded(scene, survivor)
    running = await scene.freeze_in_state(survivor, PublicationState.PENDING)
    scene.clock.now = (await sent_at(scene)) + LATE - SECOND
    await scene.freeze_when(survivor, lambda rows: rows[-1].token is not None)
    scene.clock.advance(2 * SECOND)

    slow.thaw()
    await claimed
    survivor.thaw()
    await running
    await scene.settle(survivor)

    assert posts(scene) == len(await scene.rows())
    await scene.assert_each_is_there_once()


async def sent_at(scene: Scene) -> datetime:
    """When the newest file was sent last."""
    at = (await scene.rows())[-1].sent_at
    assert at is not None
    return at


async def renewed(scene: Scene) -> None:
    """Return when the claim of the newest file lasts for longer than just now."""
    while True:
        until = (await scene.rows())[-1].lease_until
        if until is not None and until >= scene.clock() + SHORT:
            return
        await asyncio.sleep(0.02)


async def test_a_look_that_always_fails_right_before_is_made_ever_less_often(
    scene: Scene, survivor: Process
) -> None:
    await lose(scene, Fault.drop())
    # Only the lists of a look, which name a time: the account's check reads others.
    scene.crm.faults.script(
        Fault.broken_json(), method="GET", path=LISTS, about="updated_since", times=None
    )
    scene.clock.advance(SEARCH_MAX_AGE + SECOND)
    asked, end = len(scene.crm.requests), scene.clock() + timedelta(days=1)
    while scene.clock() < end:
        await survivor.run()
        assert await scene.wake()
        assert len(scene.crm.requests) - asked < 60
    row = (await scene.rows())[-1]
    assert row.state is PublicationState.PENDING
    assert "could not check whether it arrived before sending it again" in str(row.reason)
    scene.crm.faults.clear()
    await scene.settle(survivor)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize(
    "fault",
    [Fault.drop(), Fault.broken_json(), Fault.error(500), Fault.empty(), Fault.cut()],
    ids=str,
)
async def test_a_look_right_before_asks_once_more_where_an_answer_says_nothing(
    scene: Scene, survivor: Process, fault: Fault
) -> None:
    """Several lists are read in a row: where one answer in three is broken, one mostly is."""
    await lose(scene, Fault.drop())
    scene.clock.advance(SEARCH_MAX_AGE + SECOND)
    sent_after = (await scene.rows())[-1].sent_after
    assert sent_after is not None
    # Not the list that compares the ledger: that one names an earlier time.
    since = quote(f"updated_since={sent_after - CLOCK_MARGIN:%Y-%m-%dT%H:%M:%SZ}", safe="=")
    scene.crm.faults.script(fault, method="GET", path=LISTS, about=since)
    await survivor.run()

    assert await scene.states() == ["published", "published"]
    await scene.assert_each_is_there_once()


async def test_a_look_that_outlasts_its_claim_says_nothing_of_a_later_send(
    scene: Scene, survivor: Process
) -> None:
    other = await scene.process()
    faults = scene.crm.faults
    faults.script(Fault.drop(), method="POST", path=LISTS)
    await scene.find_files("ada", "a.py")
    await until_absence_can_be_concluded(scene, survivor)
    faults.script(Fault.held("look"), method="GET", path=LISTS)
    before = len(faults.injected)
    running = asyncio.create_task(survivor.run())
    await held(scene, before + 1)

    # While the list is still awaited, another process looks, and sends it again.
    scene.clock.advance(LONGEST_LEASE + SECOND)
    scene.crm.list_lag = timedelta(minutes=1)
    faults.script(Fault.held("a.py"), method="POST", about="a.py")
    sending = asyncio.create_task(other.run())
    await held(scene, before + 2)
    # It records what it saw, and hands back what it claimed.
    survivor.database.freezes = survivor.database.in_moments(4)
    faults.let_go("look")
    await survivor.database.frozen.wait()
    state = (await scene.rows())[-1].state

    survivor.database.thawed.set()
    faults.let_go("a.py")
    await asyncio.gather(running, sending)
    assert state is PublicationState.SENDING
    assert posts(scene) == len(await scene.rows()) + 1
    await scene.assert_each_is_there_once()


async def test_a_found_activity_counts_even_if_the_list_outlasts_the_claim(
    scene: Scene, survivor: Process
) -> None:
    await scene.find_files("bob", "warm-up.py")
    await survivor.run()
    faults = scene.crm.faults
    faults.script(Fault.drop(processed=True), method="POST", path=LISTS)
    await scene.find_files("ada", "a.py")
    await survivor.run()
    await scene.wake()
    await scene.find_files("bob", "b.py", "c.py")
    faults.script(Fault.held("look"), method="GET", about="updated_since", path=LISTS, times=None)
    faults.script(Fault.held("b.py"), method="POST", about="b.py")
    faults.script(Fault.held("c.py"), method="POST", about="c.py")
    before = len(faults.injected)
    running = asyncio.create_task(survivor.run())
    await held(scene, before + 2)

    scene.clock.advance(LONGEST_LEASE + SECOND)
    faults.let_go("b.py")
    # The run goes on, and would claim once more what it is looking for.
    await held(scene, before + 3)
    for name in ("look", "c.py"):
        faults.let_go(name)
    await running

    assert lists(scene) == 1
    await scene.assert_each_is_there_once()


async def test_one_look_answers_for_all_files_of_its_deal(scene: Scene, survivor: Process) -> None:
    """Also for one that failed before: what waits for it does not wait for a look of its own."""
    await lose_several(scene, *(Fault.drop() for _ in range(5)))
    scene.clock.advance(SEARCH_MAX_AGE + SECOND)
    scene.crm.faults.script(
        Fault.broken_json(), method="GET", path=LISTS, about="updated_since", times=8
    )
    await survivor.run()
    assert any("could not check" in str(row.reason) for row in await scene.rows())
    asked = lists(scene)
    scene.crm.faults.clear()
    while "pending" in await scene.states():
        assert await scene.wake()
        await survivor.run()

    assert lists(scene) - asked < 4
    assert posts(scene) == len(await scene.rows()) + 5
    await scene.assert_each_is_there_once()


async def test_a_look_for_others_of_its_deal_finds_what_landed_late(
    scene: Scene, survivor: Process
) -> None:
    await lose_several(scene, *(Fault.drop(), Fault.lands(LATE)) * 2)
    scene.clock.advance(LATE - ABSENCE)
    async with asyncio.timeout(10):
        await survivor.run()

    assert posts(scene) == len(await scene.rows()) + 2
    await scene.assert_each_is_there_once()


async def test_a_look_answers_also_for_what_was_sent_earlier(
    scene: Scene, survivor: Process
) -> None:
    await lose_several(scene, Fault.drop(), Fault.drop())
    older = min(row.id for row in await scene.rows() if row.state is PublicationState.PENDING)
    an_hour_later = scene.clock() + timedelta(hours=1)
    async with scene.database.begin() as transaction:
        await transaction.execute(
            update(publications)
            .where(publications.c.id == older)
            .values(not_looked_for=True, due_at=an_hour_later)
        )
    scene.clock.advance(SEARCH_MAX_AGE + SECOND)
    await survivor.run()

    assert set(await scene.states()) == {"published"}
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("state", [PublicationState.UNCERTAIN, PublicationState.PENDING], ids=str)
async def test_a_look_for_a_deal_asks_once_more_where_an_answer_says_nothing(
    scene: Scene, state: PublicationState
) -> None:
    """All files of its user wait for it."""
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    async with scene.database.begin() as transaction:
        long_ago = None if state is PublicationState.UNCERTAIN else scene.clock() - ABSENCE
        await transaction.execute(
            update(deals).values(state=state, looked_at=long_ago, due_at=scene.clock())
        )
        await transaction.execute(update(publications).values(due_at=scene.clock()))
    scene.crm.faults.script(Fault.broken_json(), method="GET", path="deals$")
    await process.run()

    assert await scene.states() == ["published"]
    await scene.assert_each_is_there_once()


async def test_a_look_says_nothing_of_what_another_process_has_sent_meanwhile(
    scene: Scene, survivor: Process
) -> None:
    await lose_several(scene, Fault.drop(), Fault.drop())
    now = scene.clock()
    claim = next(row for row in await scene.rows() if row.state is PublicationState.PENDING)
    async with scene.database.begin() as transaction:
        seen = await awaited_looks.of_deal(transaction, claim, now, earlier=ABSENCE)
        assert len(seen) == 2
        sent = update(publications).where(publications.c.id == claim.id).values(sent_at=now)
        await transaction.execute(sent)
        await awaited_looks.answered(transaction, seen.values(), now + SECOND)

    looked_at = {row.id: row.looked_at for row in await scene.rows() if row.id in seen}
    assert looked_at.pop(claim.id) == claim.looked_at
    assert list(looked_at.values()) == [now + SECOND]
    await scene.settle(survivor)
    await scene.assert_each_is_there_once()
