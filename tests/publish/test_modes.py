"""The modes of publishing: what waits for a person, and what is written to Pipedrive."""

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest

from gitpip.actions import publications as acts
from gitpip.actions import publishing
from gitpip.actions import users as user_acts
from gitpip.actions.acting import Acting
from gitpip.actions.try_now import try_now
from gitpip.backfill import Backfill
from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.errors import (
    OWN_FAULT,
    InvalidInput,
    PublicationNotFound,
    PublicationStateError,
)
from gitpip.model import OnDelete, OnEdit, PublicationId, PublicationState
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.publish.plan import plan
from gitpip.publish.policy import Policies
from gitpip.publish.preview import rendered
from gitpip.publish.screening import PUBLISH, Candidate, Checks, Decision
from gitpip.store.access.audit_log import Actor
from gitpip.store.publications import held, publications
from gitpip.store.publications.approvals import LeftPublication, Moved
from gitpip.store.schema_access import Via
from gitpip.store.status.pauses import PAUSABLE
from gitpip.store.users import users
from gitpip.store.users.users import Changes
from gitpip_standins import Fault
from tests.support.scene import Scene, wake_nobody

ASK, AUTOMATIC, DRY_RUN = PublishingMode.ASK, PublishingMode.AUTOMATIC, PublishingMode.DRY_RUN


def writes(scene: Scene) -> list[str]:
    """Every request that writes, as the stand-in counts them."""
    return [f"{one.method} {one.path}" for one in scene.crm.requests if one.method != "GET"]


async def approve_all(scene: Scene, login: str) -> None:
    async with scene.database.begin() as transaction:
        await held.answer(transaction, login, Backfill.parse("all"), now=scene.clock(), by="eve")


async def set_mode_of(scene: Scene, login: str, mode: PublishingMode) -> None:
    await user_acts.change(acting(scene), login, Changes(mode=mode))


async def pause(scene: Scene, login: str, *, paused: bool) -> None:
    async with scene.database.begin() as transaction:
        user = await users.find(transaction, login)
        await users.change(transaction, user.key, Changes(paused=paused), scene.clock())


async def test_to_ask_holds_what_is_new_until_it_is_approved(scene: Scene) -> None:
    await scene.set_mode(ASK)
    await scene.find_files("ada", *(f"{number}.py" for number in range(25)))
    await scene.find_files("bob", "b.py")
    process = await scene.process()
    await process.run()
    assert set(await scene.states()) == {"held"}
    assert {row.held_because for row in await scene.rows()} == {HeldBecause.ASK}
    assert not await process.publisher.due()
    assert writes(scene) == []
    await approve_all(scene, "bob")
    await scene.settle(process)
    published = [row for row in await scene.rows() if row.activity_id]
    assert [(row.filename, row.approved_by) for row in published] == [("b.py", "eve")]
    assert len(scene.activities()) == 1


async def test_a_dry_run_writes_nothing_and_what_it_met_is_held_afterwards(scene: Scene) -> None:
    await scene.set_mode(DRY_RUN)
    await scene.find_files("ada", "a.py", "b.py")
    process = await scene.process()
    await scene.settle(process)
    assert await scene.states() == ["pending", "pending"]
    assert not await process.publisher.due()
    await scene.set_mode(AUTOMATIC)
    await scene.find_files("ada", "c.py")
    await scene.settle(await scene.process())
    assert await scene.states() == ["held", "held", "published"]
    assert next(row.held_because for row in await scene.rows()) is HeldBecause.DRY_RUN


async def test_what_a_person_approved_in_a_dry_run_is_sent_after_it(scene: Scene) -> None:
    await scene.set_mode(DRY_RUN)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    [row] = await scene.rows()
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, row.id, scene.clock(), by="eve")
    await scene.settle(process)
    assert writes(scene) == []
    await scene.set_mode(ASK)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_no_file_of_a_paused_user_is_sent(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    await pause(scene, "ada", paused=True)
    process = await scene.process()
    await scene.settle(process)
    assert await scene.states() == ["pending", "published"]
    assert not await process.publisher.due()
    await pause(scene, "ada", paused=False)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


def acting(scene: Scene) -> Acting:
    return Acting(scene.database, Actor("eve", Via.PAGE), wake_nobody, scene.clock)


@pytest.mark.long
async def test_nothing_begins_at_any_moment_after_a_mode_or_a_pause_forbids_it(
    scene: Scene,
) -> None:
    """A process stands still at each moment of a run in turn, and what forbids it comes then."""
    process = await scene.process()
    await scene.find_files("ada", "first.py")
    await scene.settle(process)
    ways: list[Callable[[], Awaitable[object]]] = [
        partial(scene.set_mode, DRY_RUN),
        partial(publishing.pause_publishing, acting(scene)),
        partial(scene.set_mode, ASK),
        partial(pause, scene, "ada", paused=True),
    ]
    forbids = itertools.cycle(ways)
    for moment in itertools.count(1, 2):
        await scene.find_files("ada", f"{moment}.py")
        process.database.thawed.clear()
        process.database.freezes = process.database.in_moments(moment)
        running = asyncio.create_task(process.run())
        frozen = asyncio.create_task(process.database.frozen.wait())
        await asyncio.wait({running, frozen}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            frozen.cancel()
            process.database.freezes = lambda: False
            break
        before = len(writes(scene))
        under_way = (await scene.states()).count("sending")
        await next(forbids)()
        process.database.freezes = lambda: False
        process.database.frozen.clear()
        process.database.thawed.set()
        await running
        await process.run()
        assert len(writes(scene)) - before <= under_way
        await publishing.resume_publishing(acting(scene))
        await pause(scene, "ada", paused=False)
        await scene.set_mode(AUTOMATIC)
        await scene.settle(process)
        await acts.approve(acting(scene), acts.PublicationChoice(everything=True))
        await scene.settle(process)
    assert moment > 8
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_in_a_dry_run_what_may_have_arrived_is_looked_for_and_not_sent_again(
    scene: Scene,
) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    scene.crm.faults.script(Fault.drop(), method="POST", path="activities$")
    await scene.find_files("ada", "arrived.py")
    await scene.find_files("ada", "lost.py")
    process = await scene.process()
    await process.run()
    assert await scene.states() == ["uncertain", "uncertain"]
    before = len(writes(scene))
    await scene.set_mode(DRY_RUN)
    await scene.settle(process)
    assert sorted(await scene.states()) == ["pending", "published"]
    assert len(writes(scene)) == before
    await scene.set_mode(ASK)
    await scene.settle(process)
    await scene.assert_each_is_there_once()


async def test_in_a_dry_run_no_note_is_brought_up_to_date(scene: Scene) -> None:
    scene.on_edit = OnEdit.UPDATE
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle(process)
    [row] = await scene.rows()
    await scene.set_mode(DRY_RUN)
    await scene.change_contents()
    before = len(writes(scene))
    await process.run()
    assert not await process.publisher.due()
    assert len(writes(scene)) == before
    await scene.set_mode(AUTOMATIC)
    await process.run()
    assert writes(scene)[before:] == [f"PATCH /api/v2/activities/{row.activity_id}"]


async def test_a_persons_pause_outlives_restarts_replicas_and_trying_now(scene: Scene) -> None:
    first, replica = await scene.process(), await scene.process()
    await scene.find_files("ada", "a.py")
    await publishing.pause_publishing(acting(scene), lasts="2h", reason="a fair")
    await first.run()
    tried = await try_now(acting(scene), ("publishing",))
    tried_all = await try_now(acting(scene), PAUSABLE)
    assert tried == tried_all
    assert tried.ended == ()
    assert re.fullmatch(
        r"Sync is paused by \w+ until .* UTC\. To resume: gitpip publishing resume",
        str(tried.reason),
    )
    scene.clock.advance(timedelta(minutes=119))
    for process in (first, replica, await scene.process()):
        assert not await process.publisher.due()
        await process.run()
    assert writes(scene) == []
    scene.clock.advance(timedelta(minutes=2))
    assert await replica.publisher.due()
    await scene.settle(replica)
    await scene.assert_each_is_there_once()


async def test_a_pause_can_be_made_longer_and_ended(scene: Scene) -> None:
    began = scene.clock()
    await publishing.pause_publishing(acting(scene), until="2026-03-04T06:00")
    scene.clock.advance(timedelta(minutes=5))
    longer = await publishing.pause_publishing(acting(scene), reason="a fair")
    assert (longer.since, longer.until, longer.paused_by) == (began, None, "eve")
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    scene.clock.advance(timedelta(days=400))
    await process.run()
    assert await scene.states() == ["pending"]
    assert await publishing.resume_publishing(acting(scene)) == longer
    assert await publishing.resume_publishing(acting(scene)) is None
    await scene.settle(process)
    await scene.assert_each_is_there_once()


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"until": "tomorrow"}, "until: must be a time"),
        ({"until": "2026-03-04T05:06"}, "until: 2026-03-04 05:06 UTC is not within"),
        ({"until": "2028-01-01"}, "is not within the next 366 days"),
        ({"lasts": "0s"}, "for: must be longer than zero"),
        ({"until": "2026-03-05", "lasts": "1h"}, "until: give a time or a duration"),
        ({"reason": "x" * 201}, "reason: use at most 200"),
    ],
)
async def test_a_pause_that_can_not_be_is_refused(
    scene: Scene, given: dict[str, str], fault: str
) -> None:
    if not scene.database.is_sqlite:
        pytest.skip("no database is asked")
    with pytest.raises(InvalidInput, match=fault):
        await publishing.pause_publishing(acting(scene), **given)


@pytest.mark.long
async def test_a_mode_can_change_while_a_thousand_wait(scene: Scene) -> None:
    """What was to be asked about stays held; who has another mode is not kept waiting."""
    process = await scene.process()
    await scene.find_files("ada", *(f"{number}.py" for number in range(1_000)))
    await scene.set_mode(ASK)
    await scene.add("bob")
    await set_mode_of(scene, "bob", AUTOMATIC)
    await scene.find_files("bob", "b.py")
    await process.run()
    counts = Counter(await scene.states())
    assert counts == {"held": 1_000, "published": 1}
    await scene.set_mode(AUTOMATIC)
    await process.run()
    assert Counter(await scene.states()) == counts
    moved = await acts.approve(acting(scene), acts.PublicationChoice(login="ada"))
    assert (len(moved.ids), moved.left) == (1_000, ())
    await scene.set_mode(DRY_RUN)
    await process.run()
    assert Counter(await scene.states()) == {"pending": 1_000, "published": 1}
    held = await acts.hold(acting(scene), acts.PublicationChoice(everything=True))
    assert len(held.ids) == 1_000
    assert len(scene.activities()) == 1


async def test_approving_what_was_skipped_meanwhile_says_so(scene: Scene) -> None:
    await scene.set_mode(ASK)
    await scene.find_files("ada", "a.py", "b.py")
    await (await scene.process()).run()
    first, second = await scene.rows()
    await acts.skip(acting(scene), first.id)
    with pytest.raises(
        PublicationStateError, match=f"that is held can be approved, and {first.id} is"
    ):
        await acts.approve(acting(scene), acts.PublicationChoice(ids=[first.id]))
    moved = await acts.approve(acting(scene), acts.PublicationChoice(ids=[first.id, second.id]))
    assert moved == Moved((second.id,), (LeftPublication(first.id, PublicationState.SKIPPED),))
    with pytest.raises(PublicationNotFound):
        await acts.approve(acting(scene), acts.PublicationChoice(ids=[PublicationId(77)]))


async def test_the_mode_of_the_environment_wins_over_what_is_stored(scene: Scene) -> None:
    scene.given = {"publishing_mode": "dry-run"}
    await scene.set_mode(AUTOMATIC)
    await scene.find_files("ada", "a.py")
    in_dry_run = await scene.process()
    await in_dry_run.run()
    assert await scene.states() == ["pending"]
    scene.given = {}
    await scene.settle(await scene.process())
    assert await scene.states() == ["held"], "as it was found in a dry run"


async def test_the_plan_tells_what_is_sent_where_and_its_cost(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "first.py")
    await scene.settle(process)
    await scene.set_mode(DRY_RUN)
    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py", "c.py")
    await set_mode_of(scene, "ada", ASK)
    await process.run()
    before = len(scene.crm.requests)
    render = partial(
        rendered, on_edit=OnEdit.IGNORE, on_delete=OnDelete.IGNORE, policies=Policies()
    )
    policy = PublishingPolicy(publishing_mode=DRY_RUN)
    async with scene.database.read() as transaction:
        found = await plan(transaction, render, policy, scene.clock(), limit=2)
    assert len(scene.crm.requests) == before
    first, second = found.items
    assert (first.filename, first.deal_id, first.tokens) == ("b.py", None, 40)
    assert (second.filename, second.tokens, second.reason) == ("c.py", 5, None)
    assert (found.activities, found.deals, found.tokens) == (2, 1, 45)

    await acts.approve(acting(scene), acts.PublicationChoice(everything=True))
    await set_mode_of(scene, "bob", AUTOMATIC)
    await process.run()
    await acts.approve(acting(scene), acts.PublicationChoice(login="bob"))
    await scene.settle(process)
    sent = [str(each["subject"]) for each in scene.crm.activities]
    assert first.subject in sent
    assert len(str(scene.crm.activities[1]["note"]).encode()) == first.note_bytes


async def test_a_check_that_breaks_spoils_no_other_file(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_for_ada(candidate: Candidate) -> Decision:
        if candidate.publication.login == "ada":
            raise RuntimeError("a rule that nobody foresaw")
        return PUBLISH

    async def broken(*_: object) -> Checks:
        return Checks(first=(broken_for_ada,))

    await scene.find_files("ada", "a.py")
    await scene.find_files("bob", "b.py")
    process = await scene.process()
    with monkeypatch.context() as patch:
        patch.setattr("gitpip.publish.screener.checks_now", broken)
        await process.run()
    first, second = await scene.rows()
    assert second.state is PublicationState.PUBLISHED
    assert first.state is PublicationState.PENDING
    assert first.reason == OWN_FAULT
    assert first.due_at > scene.clock()
    await scene.settle(process)
    await scene.assert_each_is_there_once()
