"""What publishing does with Pipedrive, as both sides of the socket see it."""

import asyncio
from datetime import timedelta

import pytest

from gitpip.model import PublicationState
from gitpip.publish.delivery import ABSENCE, GAPS, MAX_ATTEMPTS
from gitpip.store.publications import publications
from gitpip_standins import Fault, FaultKind
from gitpip_standins import Pipedrive as Crm
from tests.support.mortal_database import Killed
from tests.support.scene import TIMEOUT, Machine, Scene

JUST_TOO_LATE = TIMEOUT * 1.3
PENDING, PUBLISHED, FAILED, UNCERTAIN, SENDING = (
    PublicationState.PENDING,
    PublicationState.PUBLISHED,
    PublicationState.FAILED,
    PublicationState.UNCERTAIN,
    PublicationState.SENDING,
)

AMBIGUOUS = [
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.cut(),
    Fault.hang(),
    Fault.hang(processed=True),
    Fault.late(JUST_TOO_LATE),
    Fault.slow(JUST_TOO_LATE),
    Fault.error(500),
    Fault.error(500, processed=True),
    Fault.error(502, processed=True),
    Fault.error(503),
    Fault.html(403),
    Fault.html(200, processed=True),
    Fault.broken_json(),
    Fault.empty(),
]


def refusal(status: int) -> Fault:
    """An error in Pipedrive's JSON."""
    return Fault(FaultKind.ERROR, processed=False, status=status)


SLOW = {FaultKind.HANG, FaultKind.LATE, FaultKind.SLOW}


def meet(scene: Scene, fault: Fault) -> None:
    """Give requests up soon where nothing else comes of them; a busy machine may be slow, too."""
    if fault.kind in SLOW:
        scene.timeout = TIMEOUT


def posts(crm: Crm, path: str = "activities") -> int:
    return sum(r.method == "POST" and r.path.endswith(path) for r in crm.requests)


async def test_each_file_becomes_an_activity_under_its_users_deal(scene: Scene) -> None:
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")
    process = await scene.process()
    await process.run()
    await scene.assert_each_is_there_once()
    deals = {deal["id"]: deal["title"] for deal in scene.crm.deals}
    for row in await scene.rows():
        activity = next(a for a in scene.crm.activities if a["id"] == row.activity_id)
        assert activity["subject"] == f"{row.filename} · {row.login} [{row.marker}]"
        assert deals[activity["deal_id"]] == row.login
        assert row.published_at == scene.clock()
        assert (row.attempts, row.token, row.lease_until) == (1, None, None)
    assert not scene.crm.abuse
    assert not await process.publisher.due()


async def test_what_is_published_stays_published(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await scene.settle(await scene.process(), watched=True)
    before = len(scene.crm.requests)
    scene.clock.advance(timedelta(days=2))
    await scene.settle(await scene.process())
    # A new process compares the ledger with one list.
    assert [request.method for request in scene.crm.requests[before:]] == ["GET"]


@pytest.mark.long
@pytest.mark.parametrize("path", ["activities", "deals"])
@pytest.mark.parametrize("fault", AMBIGUOUS, ids=str)
async def test_after_an_ambiguous_outcome_there_is_a_look_first(
    scene: Scene, fault: Fault, path: str
) -> None:
    meet(scene, fault)
    scene.crm.faults.script(fault, method="POST", path=f"{path}$")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    row = (await scene.rows())[0]
    in_doubt = row if path == "activities" else await scene.deal_row("ada")
    assert in_doubt.state is UNCERTAIN
    assert timedelta(seconds=2) <= in_doubt.due_at - scene.clock() <= timedelta(seconds=3)
    sent_at = scene.clock()
    asked = len(scene.crm.requests)
    await scene.settle(process)
    await scene.assert_each_is_there_once()
    first = scene.crm.requests[asked]
    assert (first.method, first.path.rpartition("/")[2]) == ("GET", path)
    looks = [r for r in scene.crm.requests[asked:] if r.path.endswith(path) and r.method == "GET"]
    if fault.processed:
        assert posts(scene.crm, path) == 1
        assert scene.clock() - sent_at < timedelta(seconds=4)
    else:
        assert posts(scene.crm, path) == 2
        assert ABSENCE < scene.clock() - sent_at < timedelta(minutes=6)
        assert len(GAPS) < len(looks) < len(GAPS) + 5


@pytest.mark.long
@pytest.mark.parametrize(
    "fault",
    [*(f for f in AMBIGUOUS if f.kind is not FaultKind.LATE), Fault.limited(), refusal(404)],
    ids=str,
)
@pytest.mark.parametrize("path", ["activities", "deals"])
async def test_a_list_that_can_not_be_read_proves_nothing(
    scene: Scene, fault: Fault, path: str
) -> None:
    meet(scene, fault)
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path=f"{path}$")
    if path == "activities":
        scene.crm.faults.script(fault, method="GET", path=f"{path}$", times=3)
    else:
        # The first list is the one before the deal is made.
        scene.crm.faults.script(Fault.slow(timedelta(0)), method="GET", path=f"{path}$")
        scene.crm.faults.script(fault, method="GET", path=f"{path}$", times=3)
    await scene.find_files("ada", "a.py")
    await scene.settle(await scene.process())
    await scene.assert_each_is_there_once()


async def test_a_list_that_lags_behind_is_looked_at_again(scene: Scene) -> None:
    scene.crm.list_lag = timedelta(minutes=2)
    for path in ("deals$", "activities$"):
        scene.crm.faults.script(Fault.drop(processed=True), method="POST", path=path)
    await scene.find_files("ada", "a.py")
    await scene.settle(await scene.process())
    await scene.assert_each_is_there_once()
    assert posts(scene.crm) == posts(scene.crm, "deals") == 1


async def test_an_activity_is_found_among_many_and_under_another_subject(scene: Scene) -> None:
    meet(scene, Fault.hang())
    await scene.find_files("ada", "old.py")
    process = await scene.process()
    await process.run()
    scene.crm.faults.script(Fault.hang(processed=True), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    await process.run()
    ours = len(scene.crm.activities)
    scene.crm.edit_activity(ours, subject="Call them back")
    await scene.settle(process)
    await scene.assert_each_is_there_once()
    assert (await scene.rows())[-1].activity_id == ours


async def test_a_refused_activity_fails_with_pipedrives_words_and_the_next_goes_on(
    scene: Scene,
) -> None:
    scene.crm.faults.script(refusal(400), method="POST", path="activities$")
    await scene.find_files("ada", "a.py", "b.py")
    process = await scene.process()
    await scene.settle(process)
    refused, next_one = await scene.rows()
    assert (refused.state, next_one.state) == (FAILED, PUBLISHED)
    assert refused.reason == "Pipedrive rejected it: “Something went wrong” (400)"
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, refused.id, scene.clock())
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_one_users_wait_never_blocks_another(scene: Scene) -> None:
    scene.crm.faults.script(Fault.drop(), method="POST", path="deals$")
    await scene.find_files("ada", *(f"{number}.py" for number in range(25)))
    await scene.find_files("bob", "b.py")
    await (await scene.process()).run()
    assert [row.state for row in await scene.rows() if row.login == "bob"] == [PUBLISHED]


async def test_a_late_outcome_of_a_lost_claim_has_no_effect(scene: Scene) -> None:
    await scene.find_files("ada", "warm-up.py")
    slow, quick = await scene.process(), await scene.process()
    await slow.run()
    await scene.find_files("ada", "a.py")
    before = posts(scene.crm)
    scene.crm.faults.script(Fault.held(), method="POST", path="activities$")
    running = asyncio.create_task(slow.run())
    await asyncio.to_thread(scene.crm.wait_until, lambda: posts(scene.crm) > before)
    # The activity is under way: its outcome is what will be written next.
    slow.database.freezes = slow.database.in_moments(1)
    scene.crm.faults.let_go()
    await slow.database.frozen.wait()
    await scene.settle(quick)
    row = (await scene.rows())[-1]
    assert row.state is PUBLISHED
    slow.database.thawed.set()
    await running
    assert (await scene.rows())[-1] == row
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("tells", ["wall", "wall set back", "monotonic", "boot"])
async def test_a_process_held_up_after_its_lease_takes_another_before_it_sends(
    scene: Scene, tells: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any one of the clocks may be the only one that tells of it."""
    await scene.find_files("ada", "warm-up.py")
    stands_still = Machine(monotonic=lambda: 0.0, boot=lambda: 0.0)
    scene.machine = stands_still
    held_up = await scene.process()
    await held_up.run()
    await scene.find_files("ada", "a.py")
    sending = await scene.freeze_in_state(held_up, SENDING)

    match tells:
        case "wall":
            scene.clock.advance(timedelta(seconds=6))
        case "wall set back":
            scene.clock.advance(-timedelta(days=1))
        case "monotonic":
            stands_still.monotonic = lambda: 6.0
        case _:
            stands_still.boot = lambda: 6.0
    held_up.database.thawed.set()
    await sending

    assert "gitpip was slow or stood still before it sent this" in "".join(capsys.readouterr())
    await scene.settle(held_up)
    await scene.assert_each_is_there_once()


async def test_a_rivals_claim_is_respected_while_it_holds(scene: Scene) -> None:
    await scene.find_files("ada", "warm-up.py")
    first, second = await scene.process(), await scene.process()
    await first.run()
    await scene.find_files("ada", "a.py")
    sending = await scene.freeze_in_state(first, SENDING)
    asked = len(scene.crm.requests)
    await second.run()
    # It compares, as every new process does.
    assert [request.method for request in scene.crm.requests[asked:]] == ["GET"]
    first.database.thawed.set()
    await sending
    await scene.assert_each_is_there_once()


async def test_two_publishers_side_by_side_share_the_work(scene: Scene) -> None:
    for login in ("ada", "bob", "cy"):
        await scene.find_files(login, *(f"{number}.py" for number in range(3)))
    processes = [await scene.process(), await scene.process()]
    await asyncio.gather(*(process.run() for process in processes))
    await scene.settle(processes[0])
    await scene.assert_each_is_there_once()


async def test_stop_ends_a_run_after_the_publication_at_hand(scene: Scene) -> None:
    await scene.find_files("ada", *(f"{number}.py" for number in range(5)))
    process = await scene.process()
    scene.crm.faults.script(Fault.held(), method="POST", path="activities$")
    running = asyncio.create_task(process.run())
    await asyncio.to_thread(scene.crm.wait_until, lambda: posts(scene.crm) > 0)
    process.publisher.stop()
    scene.crm.faults.let_go()
    assert await running == 1
    assert sorted(await scene.states()) == ["pending"] * 4 + ["published"]
    assert all(row.token is None for row in await scene.rows())
    await scene.settle(await scene.process())
    await scene.assert_each_is_there_once()


async def test_a_dead_process_holds_nothing_up_where_only_one_can_run(scene: Scene) -> None:
    await scene.find_files("ada", *(f"{number}.py" for number in range(3)))
    dead = await scene.process()
    sending = await scene.freeze_in_state(dead, SENDING)
    dead.database.dead = True
    dead.database.thawed.set()
    with pytest.raises(Killed):
        await sending
    assert any(row.token for row in await scene.rows())
    process = await scene.process()
    await process.publisher.take_over()
    states = await scene.states()
    assert sorted(states) == ["pending", "pending", "uncertain"]
    assert all(row.token is None for row in await scene.rows())
    await process.run()
    assert (await scene.states()).count("published") == 2
    uncertain = next(row for row in await scene.rows() if row.state is UNCERTAIN)
    assert uncertain.due_at - scene.clock() <= timedelta(seconds=3)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.long
async def test_a_note_that_can_not_be_rewritten_is_tried_a_limited_number_of_times(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "a.py", "b.py")
    process = await scene.process()
    await process.run()
    await scene.change_contents()
    scene.crm.faults.script(refusal(500), method="PATCH", path="activities/1$", times=None)
    end = scene.clock() + timedelta(days=2)
    while scene.clock() < end:
        await process.run()
        scene.clock.advance(timedelta(hours=1))
    patches = [r.path[-1] for r in scene.crm.requests if r.method == "PATCH"]
    assert (patches.count("1"), patches.count("2")) == (MAX_ATTEMPTS, 1)
    assert "could not be brought up to date" in str((await scene.rows())[0].reason)
    assert await scene.states() == ["published"] * 2
