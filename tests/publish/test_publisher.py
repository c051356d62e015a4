"""What publishing does with Pipedrive, as both sides of the socket see it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitpip.model import PublicationState
from gitpip.publish.delivery import ABSENCE, GAPS, MAX_ATTEMPTS
from gitpip.publish.trouble import DIFFERENT_FAILURES
from gitpip.store.database import open_database
from gitpip.store.publications import note_updates, publications
from gitpip.store.status import pauses
from gitpip_standins import Fault, FaultKind, Server
from gitpip_standins import Pipedrive as Crm
from gitpip_standins.exchange import UNDER_WAY
from tests.support.network import nobody_listening
from tests.support.scene import TIMEOUT, TOKEN, Killed, Machine, RealTime, Scene

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


async def test_an_open_deal_with_exactly_the_logins_title_is_adopted(scene: Scene) -> None:
    for title in ("Ada", "ada ", "ada lovelace", "xada"):
        scene.crm.add_deal(title)
    scene.crm.add_deal("ada", status="won", won_time="2026-01-01T00:00:00Z")
    wanted = scene.crm.add_deal("ada")
    scene.crm.add_deal("ada")
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert posts(scene.crm, "deals") == 0
    assert [activity["deal_id"] for activity in scene.crm.activities] == [wanted]


async def test_a_deal_that_only_resembles_is_not_adopted(scene: Scene) -> None:
    deleted = scene.crm.add_deal("ada")
    scene.crm.delete_deal(deleted)
    archived = scene.crm.add_deal("ada")
    scene.crm.archive_deal(archived)
    others = {scene.crm.add_deal("ada "), scene.crm.add_deal("ada lovelace"), deleted, archived}
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert posts(scene.crm, "deals") == 1
    assert not others & {activity["deal_id"] for activity in scene.crm.activities}


async def test_a_title_in_another_case_is_the_same_user(scene: Scene) -> None:
    wanted = scene.crm.add_deal("ADA")
    scene.crm.add_deal("aDa")
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    assert posts(scene.crm, "deals") == 0
    assert [activity["deal_id"] for activity in scene.crm.activities] == [wanted]


async def test_new_users_cost_a_bounded_number_of_tokens_among_thousands_of_deals(
    scene: Scene,
) -> None:
    for number in range(5_000):
        scene.crm.add_deal(f"customer {number}")
    scene.clock.advance(timedelta(days=1))
    process = await scene.process()
    costs = []
    wanted = {}
    for number in range(24):
        login = f"u{number}"
        if number % 6 == 5:
            # Somebody gives an old deal the title that fits.
            wanted[login] = 4_000 + number
            scene.crm.edit_deal(wanted[login], title=login.upper())
        before = scene.crm.limits.spent_today
        await scene.find_files(login, "a.py")
        await process.run()
        costs.append(scene.crm.limits.spent_today - before)
        scene.clock.advance(timedelta(minutes=5))
    # The first one pays for learning the company, comparing, and the custom field of deals.
    assert costs[0] <= 45 + 2 + 10 + 15, costs
    # Others pay for a comparison, as far as its allowance lasts, and for looking again at the file
    # and the deal that were sent in the first minutes.
    assert max(costs[1:]) <= 45 + 10 + 2 * 10, costs
    # Once all of them are known, and nothing is looked at again, only what changed is read.
    assert max(costs[18:]) <= 25 + 10, costs
    titles = [str(deal["title"]).lower() for deal in scene.crm.deals]
    assert all(titles.count(f"u{number}") == 1 for number in range(24))
    used = {row.login: row.deal_id for row in await scene.rows()}
    assert {login: used[login] for login in wanted} == wanted


@pytest.mark.parametrize("change", ["delete", "archive", "close", "rename"])
async def test_a_deal_that_is_known_is_looked_at_again_before_it_is_used(
    scene: Scene, change: str
) -> None:
    known = scene.crm.add_deal("bob")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    match change:
        case "delete":
            scene.crm.delete_deal(known)
        case "archive":
            scene.crm.archive_deal(known)
        case "close":
            scene.crm.edit_deal(known, status="won")
        case _:
            scene.crm.edit_deal(known, title="someone else")
    await scene.find_files("bob", "b.py")
    await process.run()
    assert [row.state for row in await scene.rows()] == [PUBLISHED] * 2
    assert (await scene.rows())[1].deal_id != known


async def test_a_deal_that_is_lost_at_once_again_and_again_is_made_ever_later(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    # Deals that are made are not visible to the token's owner.
    scene.crm.faults.script(refusal(400), method="POST", path="activities$", times=None)
    scene.crm.faults.script(refusal(404), method="GET", path="deals/[0-9]+$", times=None)
    started = scene.clock()
    await scene.settle(process)
    assert await scene.states() == [FAILED]
    assert scene.clock() - started > timedelta(hours=2)
    assert 1 < posts(scene.crm, "deals") <= MAX_ATTEMPTS


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
    assert refused.reason == "Pipedrive answered 400: Something went wrong"
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, refused.id, scene.clock())
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_refused_deal_fails_its_users_files_only(scene: Scene) -> None:
    # Once with our custom field, and once without it.
    scene.crm.faults.script(refusal(400), method="POST", path="deals$", times=2)
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    process = await scene.process()
    await scene.settle(process)
    adas, bobs = await scene.rows()
    assert (adas.state, bobs.state) == (FAILED, PUBLISHED)
    assert "Pipedrive answered 400: Something went wrong" in str(adas.reason)
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, adas.id, scene.clock())
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize(
    ("fault", "at_least"),
    [
        (Fault.html(429), timedelta(minutes=5)),
        (Fault.limited({"x-ratelimit-remaining": "0"}), timedelta(seconds=2)),
        (Fault.limited({"x-ratelimit-remaining": "7"}), timedelta(seconds=1)),
        (
            Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}),
            timedelta(seconds=9),
        ),
        (Fault.limited({"x-daily-ratelimit-token-remaining": "0"}), timedelta(minutes=10)),
        (Fault.limited({"retry-after": "47"}), timedelta(seconds=47)),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["POST activities", "POST deals", "GET deals"])
async def test_trouble_with_the_account_pauses_publishing_with_a_reason(
    scene: Scene, fault: Fault, at_least: timedelta, path: str
) -> None:
    method, path = path.split()
    scene.crm.faults.script(fault, method=method, path=f"{path}$")
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")
    process = await scene.process()
    await process.run()
    asked = len(scene.crm.requests)
    pause = await scene.pause()
    assert pause is not None
    assert pause.until - scene.clock() >= at_least
    assert str(fault.status) in pause.reason
    assert not await process.publisher.due()
    await process.run()
    assert len(scene.crm.requests) == asked
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("path", ["POST activities", "GET deals"])
async def test_two_different_requests_that_the_edge_refuses_in_a_row_are_a_ban(
    scene: Scene, path: str
) -> None:
    method, path = path.split()
    scene.crm.faults.script(Fault.html(403), method=method, path=f"{path}$", times=2)
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("bob", "c.py")
    process = await scene.process()
    await process.run()
    pause = await scene.pause()
    assert pause is not None
    assert pause.until - scene.clock() >= timedelta(minutes=5)
    refused = [request for request in scene.crm.requests if request.status == 403]
    assert len(refused) == 2
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_token_that_is_not_accepted_is_tried_ever_more_slowly(scene: Scene) -> None:
    scene.crm.token = "another"
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    lengths = []
    for _ in range(8):
        await process.run()
        pause = await scene.pause()
        assert pause is not None
        assert "401" in pause.reason
        assert TOKEN not in pause.reason
        lengths.append(pause.until - scene.clock())
        await scene.wake()
    assert lengths == sorted(lengths)
    assert lengths[0] >= timedelta(minutes=1)
    assert timedelta(minutes=30) <= lengths[-1] <= timedelta(hours=2)
    assert len(scene.crm.requests) == 8
    scene.crm.token = TOKEN
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_used_up_budget_pauses_until_it_resets(scene: Scene) -> None:
    scene.crm.limits.daily_tokens = 100
    await scene.find_files("ada", *(f"{number}.py" for number in range(30)))
    process = await scene.process()
    await process.run()
    pause = await scene.pause()
    assert pause is not None
    assert "daily budget" in pause.reason
    assert (await scene.states()).count("published") > 5
    assert not scene.crm.abuse
    assert not any(request.status == 429 for request in scene.crm.requests)
    for _ in range(20):
        scene.crm.reset_day()
        if not await scene.wake():
            break
        await process.run()
    await scene.assert_each_is_there_once()
    assert not scene.crm.abuse


async def test_looks_do_not_eat_up_the_budget_unseen(scene: Scene) -> None:
    scene.crm.limits.daily_tokens = 150
    scene.crm.faults.script(Fault.broken_json(), method="POST", path="activities$", times=9)
    for number in range(9):
        await scene.find_files(f"user-{number}", "a.py")
    process = await scene.process()
    pause = None
    for _ in range(10):
        await process.run()
        pause = await scene.pause()
        if pause is not None and "daily budget" in pause.reason:
            break
        assert await scene.wake()
    assert pause is not None
    assert "daily budget" in pause.reason
    assert not scene.crm.abuse
    assert not any(request.status == 429 for request in scene.crm.requests)
    scene.crm.reset_day()
    scene.crm.limits.daily_tokens = 30_000
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_cap_on_deals_holds_back_only_those_who_need_one(scene: Scene) -> None:
    scene.crm.add_deal("bob")
    scene.crm.deal_cap = 1
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    process = await scene.process()
    await process.run()
    adas, bobs = await scene.rows()
    assert (adas.state, bobs.state) == (PENDING, PUBLISHED)
    assert "open deals" in str(adas.reason)
    assert await scene.pause() is None
    scene.crm.deal_cap = None
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("way", ["retry", "try-now"])
async def test_a_person_ends_the_wait_for_the_cap_and_it_is_tried_once(
    scene: Scene, way: str
) -> None:
    async def act() -> None:
        *_, last = await scene.rows()
        async with scene.database.begin() as transaction:
            if way == "retry":
                await publications.retry(transaction, last.id, scene.clock())
            else:
                names = [pauses.PUBLISHING]
                assert await pauses.end_pauses(transaction, names, scene.clock()) == (*names,)

    scene.crm.deal_cap = 0
    for login in ("ada", "bob", "cy"):
        await scene.find_files(login, "a.py", "b.py")
    process = await scene.process()
    await process.run()
    assert posts(scene.crm, "deals") == 1
    for _ in range(2):
        await process.run()
    assert posts(scene.crm, "deals") == 1

    scene.clock.advance(timedelta(seconds=30))
    await act()
    await process.run()
    assert posts(scene.crm, "deals") == 2
    assert {row.state for row in await scene.rows()} == {PENDING}

    scene.crm.deal_cap = None
    scene.clock.advance(timedelta(seconds=30))
    await act()
    await process.run()
    of_whom = {row.login for row in await scene.rows() if row.state is PUBLISHED}
    assert of_whom == ({"cy"} if way == "retry" else {"ada", "bob", "cy"})
    assert (await scene.states()).count("published") == 2 * len(of_whom)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_refused_deal_keeps_its_own_reason_while_another_meets_the_cap(
    scene: Scene,
) -> None:
    scene.crm.faults.script(
        Fault(FaultKind.ERROR, processed=False, status=403), method="POST", path="deals$"
    )
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    refused = (await scene.deal_row("ada")).reason
    scene.crm.deal_cap = 0
    await scene.find_files("bob", "b.py")
    await process.run()
    scene.clock.advance(timedelta(minutes=2))
    await process.run()
    adas, bobs = await scene.deal_row("ada"), await scene.deal_row("bob")
    assert (adas.reason, adas.due_at) == (refused, bobs.due_at)
    assert "open deals" in str(bobs.reason)
    assert posts(scene.crm, "deals") == 2


async def test_a_deal_that_was_deleted_is_replaced(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    first = (await scene.rows())[0]
    assert first.deal_id is not None
    scene.crm.delete_deal(first.deal_id)
    await scene.find_files("ada", "b.py", "c.py")
    await scene.settle(process)
    await scene.assert_each_is_there_once()
    deals = [activity["deal_id"] for activity in scene.crm.activities]
    assert deals[0] == first.deal_id
    assert deals[1] == deals[2] != deals[0]


async def test_a_refusal_is_not_believed_before_the_deal_was_looked_at(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    scene.crm.delete_deal(1)
    scene.crm.faults.script(Fault.drop(), method="GET", path="deals/1$")
    await scene.find_files("ada", "b.py")
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_a_deal_that_is_deleted_during_the_looks_is_replaced(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$")
    process = await scene.process()
    await process.run()
    scene.crm.delete_deal(1)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_one_users_wait_never_blocks_another(scene: Scene) -> None:
    scene.crm.faults.script(Fault.drop(), method="POST", path="deals$")
    await scene.find_files("ada", *(f"{number}.py" for number in range(25)))
    await scene.find_files("bob", "b.py")
    await (await scene.process()).run()
    assert [row.state for row in await scene.rows() if row.login == "bob"] == [PUBLISHED]


async def test_an_unreachable_pipedrive_is_tried_again_without_doubts(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    here = scene.crm_url
    with nobody_listening() as port:
        scene.crm_url = f"http://127.0.0.1:{port}"
        await (await scene.process()).run()
    pause = await scene.pause()
    assert pause is not None
    assert "reached" in pause.reason
    assert pause.unreachable
    assert await scene.states() == ["pending"]
    scene.crm_url = here
    await scene.settle(await scene.process())
    await scene.assert_each_is_there_once()


async def test_a_vendor_in_trouble_is_given_a_rest(scene: Scene) -> None:
    scene.crm.faults.script(Fault.error(500), method="POST", path="activities$", times=None)
    await scene.find_files("ada", *(f"{number}.py" for number in range(25)))
    process = await scene.process()
    await process.run()
    assert posts(scene.crm) < 12
    pause = await scene.pause()
    assert pause is not None
    assert "500" in pause.reason
    assert not pause.unreachable
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()


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

    assert "this process was held up" in "".join(capsys.readouterr())
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


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene in real time, with the smallest plan's limit on bursts."""
    url = f"sqlite+aiosqlite:///{tmp_path}/busy.sqlite3"
    crm = Crm(token=TOKEN, burst=20)
    database = open_database(url)
    await database.migrate()
    with Server(crm.app) as server:
        scene = Scene(database, url, crm, server.url, RealTime())
        yield scene
        await scene.close()


async def test_bursts_stay_below_the_limit(busy: Scene) -> None:
    await busy.find_files("ada", *(f"{number}.py" for number in range(60)))
    await (await busy.process()).run()
    await busy.assert_each_is_there_once()
    assert not busy.crm.abuse
    assert not any(request.status == 429 for request in busy.crm.requests)


async def test_refusals_cost_no_more_than_the_resets_they_announce(busy: Scene) -> None:
    announced = timedelta(seconds=2)
    busy.crm.faults.chance(
        1 / 3,
        [
            Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}),
            Fault.limited({"x-ratelimit-remaining": "9", "x-ratelimit-reset": "2"}),
        ],
        seed=2,
        method="POST",
    )
    await busy.find_files("ada", *(f"{number}.py" for number in range(10)))
    process = await busy.process()
    started = busy.clock()
    while await process.publisher.due():
        await process.run()
    took = busy.clock() - started
    await busy.assert_each_is_there_once()
    requests = busy.crm.requests
    refusals = [n for n, request in enumerate(requests) if request.status == 429]
    assert len(refusals) >= 3
    for number in refusals:
        # What was under way already arrives beside it.
        after = [r.at for r in requests[number + 1 :] if r.at > requests[number].at + UNDER_WAY]
        assert after[0] - requests[number].at >= announced
    assert not busy.crm.abuse
    assert took < timedelta(seconds=15)


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


async def test_a_note_that_can_not_be_rewritten_is_tried_a_limited_number_of_times(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "a.py", "b.py")
    process = await scene.process()
    await process.run()
    rows = await scene.rows()
    async with scene.database.begin() as transaction:
        await note_updates.add(transaction, [row.file_key for row in rows], scene.clock())
    scene.crm.faults.script(refusal(500), method="PATCH", path="activities/1$", times=None)
    end = scene.clock() + timedelta(days=2)
    while scene.clock() < end:
        await process.run()
        scene.clock.advance(timedelta(hours=1))
    patches = [r.path[-1] for r in scene.crm.requests if r.method == "PATCH"]
    assert (patches.count("1"), patches.count("2")) == (MAX_ATTEMPTS, 1)
    assert "could not be brought up to date" in str((await scene.rows())[0].reason)
    assert await scene.states() == ["published"] * 2


async def test_after_a_pause_sends_and_looks_take_turns_and_a_send_goes_first(
    scene: Scene,
) -> None:
    scene.crm.faults.script(Fault.error(500), method="POST", path="activities$", times=None)
    await scene.find_files("ada", *(f"{number}.py" for number in range(8)))
    process = await scene.process()
    await process.run()
    assert (await scene.states()).count("uncertain") == DIFFERENT_FAILURES
    asked = len(scene.crm.requests)
    for _ in range(2):
        scene.clock.advance(timedelta(minutes=1))
        await process.run()
    probes = [
        request.method
        for request in scene.crm.requests[asked:]
        if request.method == "POST" or "updated_since" in request.query
    ]
    assert probes[:2] == ["POST", "GET"]
    scene.crm.faults.clear()
    await scene.settle(process)
    await scene.assert_each_is_there_once()
