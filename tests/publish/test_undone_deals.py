"""An undo deletes the deals that gitpip made and that are empty then, and no other, once each."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from gitpip.actions import undo as actions
from gitpip.actions.undo import What
from gitpip.errors import NothingToUndo
from gitpip.model import PublicationId
from gitpip.publish.undo_attempts import FIRST_UNDO_RETRY
from gitpip.publish.undoer import MERGED
from gitpip.status.problem import ProblemKind
from gitpip.store.publications import undone_deals, undos
from gitpip.store.publications.undos import Undo, UndoPlan
from gitpip.store.schema_events import EventKind, events
from gitpip.store.schema_undo import UndoneState
from gitpip_standins import Fault
from gitpip_standins.exchange import JsonObject, Request
from tests.publish.test_undo import acting, carry_out, files, read, there, told
from tests.support.happened import happened
from tests.support.scene import Process, Scene, until_killed

Change = Callable[[Scene], object]
KEPT, DELETED = UndoneState.KEPT, UndoneState.DELETED


async def undo(scene: Scene, login: str = "", *ids: int) -> Undo:
    numbers = [PublicationId(each) for each in ids]
    what = What(login=login, publications=numbers, with_deals=True)
    return await actions.undo(acting(scene), what)


async def plan(scene: Scene, login: str) -> UndoPlan:
    async with scene.database.read() as transaction:
        return await actions.plan(transaction, What(login=login, with_deals=True))


async def deals_of(scene: Scene, one: Undo) -> list[tuple[int, UndoneState, str | None]]:
    async with scene.database.read() as transaction:
        found = await undone_deals.of_undo(transaction, one.id, offset=0, limit=100)
    return [(each.deal_id, each.state, each.reason) for each in found]


async def published(scene: Scene, *logins: str) -> Process:
    process = await scene.process()
    for login in logins:
        await scene.find_files(login, "a.py")
        await scene.find_files(login, "b.py")
    await scene.settle(process)
    return process


def open_deals(scene: Scene) -> list[object]:
    return [deal["title"] for deal in scene.crm.deals if not deal["is_deleted"]]


async def test_an_empty_deal_goes_with_the_activities(scene: Scene) -> None:
    process = await published(scene, "ada", "bob")
    planned = await plan(scene, "ada")
    assert (planned.total, planned.deals, planned.tokens) == (2, 1, 2 * 4 + 14)
    begun = await undo(scene, "ada")
    spent = scene.crm.limits.spent_today
    await carry_out(scene, process)

    assert open_deals(scene) == ["bob"]
    ended = await read(scene, begun)
    assert ended.ended_at is not None
    assert ended.deal_counts == {DELETED: 1}
    assert scene.crm.limits.spent_today - spent == planned.tokens
    async with scene.database.read() as transaction:
        kinds = (await transaction.execute(select(events.c.kind, events.c.detail))).all()
    assert (EventKind.DEAL_DELETED, "deal 1") in kinds

    # Something new of the user makes another deal.
    await scene.find_files("ada", "new.py")
    await scene.settle(process)
    assert open_deals(scene) == ["bob", "ada"]
    assert len(there(scene)) == 3


async def test_a_deal_can_be_deleted_after_an_undo_that_left_it(scene: Scene) -> None:
    process = await published(scene, "ada")
    await actions.undo(acting(scene), What(login="ada"))
    await carry_out(scene, process)
    assert open_deals(scene) == ["ada"]
    begun = await undo(scene, "ada")
    assert (begun.total, begun.ended_at) == (0, None)
    await carry_out(scene, process)
    assert open_deals(scene) == []
    with pytest.raises(NothingToUndo):
        await undo(scene, "ada")


KEEPING: dict[str, Change] = {
    "it has activities": lambda scene: scene.crm.add_activity("call her", deal_id=1),
    "it has notes": lambda scene: scene.crm.held.update({1: {"notes_count": 1}}),
    "it has files": lambda scene: scene.crm.held.update({1: {"files_count": 2}}),
    "it has products": lambda scene: scene.crm.held.update({1: {"products_count": 1}}),
    "it has emails": lambda scene: scene.crm.held.update({1: {"email_messages_count": 3}}),
    "it has participants": lambda scene: scene.crm.held.update({1: {"participants_count": 1}}),
    "it was won": lambda scene: scene.crm.edit_deal(1, status="won"),
    "it was lost": lambda scene: scene.crm.edit_deal(1, status="lost"),
    "it was archived": lambda scene: scene.crm.archive_deal(1),
    "a person changed its title": lambda scene: scene.crm.edit_deal(1, title="Ada Ltd"),
    "a person changed its value": lambda scene: scene.crm.edit_deal(1, value=9_000),
    "a person moved it to another stage": lambda scene: scene.crm.edit_deal(
        1, stage_id=2, stage_change_time="2026-03-04T06:00:00Z"
    ),
    "it has a person or an organization": lambda scene: scene.crm.edit_deal(1, org_id=4),
}


@pytest.mark.parametrize("reason", KEEPING)
async def test_a_deal_that_people_use_is_kept_and_says_why(scene: Scene, reason: str) -> None:
    process = await published(scene, "ada")
    KEEPING[reason](scene)
    begun = await undo(scene, "ada")
    await carry_out(scene, process)
    assert await deals_of(scene, begun) == [(1, KEPT, reason)]
    assert await happened(scene.database, EventKind.DEAL_KEPT) == [
        ("deal.kept", "ada", f"deal 1: {reason}")
    ]
    assert open_deals(scene) == [scene.crm.deals[0]["title"]]


async def test_a_deal_is_kept_if_pipedrive_does_not_count_its_notes(scene: Scene) -> None:
    process = await published(scene, "ada")

    def without_notes(request: Request, body: JsonObject) -> JsonObject:
        data = body["data"]
        return body | {"data": data | {"notes_count": None}} if isinstance(data, dict) else body

    scene.crm.odd = without_notes
    begun = await undo(scene, "ada")
    await carry_out(scene, process)
    assert await deals_of(scene, begun) == [
        (1, KEPT, "Pipedrive does not say whether it has notes")
    ]


async def test_a_deal_of_a_person_is_kept(scene: Scene) -> None:
    scene.crm.add_deal("ada")
    process = await published(scene, "ada")
    begun = await undo(scene, "ada")
    await carry_out(scene, process)
    assert await deals_of(scene, begun) == [(1, KEPT, undone_deals.NOT_MADE)]


@pytest.mark.parametrize("touched", [False, True], ids=["times stay", "times change"])
async def test_two_users_share_a_deal_after_a_merge(scene: Scene, touched: bool) -> None:
    """Pipedrive does not document whether a merge changes the times of the activities."""
    process = await published(scene, "ada", "bob")
    scene.clock.advance(timedelta(hours=2))
    times = {int(str(one["id"])): one["update_time"] for one in scene.crm.activities}
    scene.crm.merge_deals(1, 2)
    for number, at in () if touched else times.items():
        scene.crm.edit_activity(number, update_time=at)
    await scene.find_files("ada", "c.py")
    await scene.settle(process)
    begun = await undo(scene, "ada")
    await carry_out(scene, process)

    done = await files(scene, begun)
    moved = (KEPT, f"{MERGED} deal 2") if touched else (DELETED, None)
    assert done == {"a.py": moved, "b.py": moved, "c.py": (DELETED, None)}
    assert there(scene) == ({1, 2, 3, 4} if touched else {3, 4})
    # It was made for the other user.
    gone = "it was deleted in Pipedrive before"
    assert await deals_of(scene, begun) == [(1, DELETED, gone)]
    for number in there(scene):
        scene.crm.delete_activity(number)
    other = await undo(scene, "bob")
    await carry_out(scene, process)
    assert await deals_of(scene, other) == [(2, KEPT, undone_deals.OF_ANOTHER)]


async def test_what_gitpip_put_there_and_was_not_undone_keeps_a_deal(scene: Scene) -> None:
    process = await published(scene, "ada")
    begun = await undo(scene, "", 1)
    await carry_out(scene, process)
    assert await deals_of(scene, begun) == [(1, KEPT, "it has activities")]
    assert len(there(scene)) == 1


async def test_a_list_that_is_behind_delays_a_deal(scene: Scene) -> None:
    scene.crm.list_lag = timedelta(minutes=3)
    process = await published(scene, "ada")
    scene.clock.advance(timedelta(minutes=10))
    begun = await undo(scene, "ada")
    await carry_out(scene, process)
    assert await deals_of(scene, begun) == [(1, DELETED, None)]


@pytest.mark.parametrize("processed", [False, True], ids=["not processed", "processed"])
async def test_nothing_is_put_under_a_deal_that_is_being_deleted(
    scene: Scene, processed: bool
) -> None:
    process = await published(scene, "ada")
    begun = await undo(scene, "ada")
    fault = Fault.drop(processed=processed)
    scene.crm.faults.script(fault, method="DELETE", path="/deals/")
    await process.run()
    await scene.find_files("ada", "new.py")
    await process.run()
    assert (await scene.states())[-1] == "pending"
    scene.clock.advance(FIRST_UNDO_RETRY)
    await carry_out(scene, process)
    assert await deals_of(scene, begun) == [
        (1, DELETED, "it was deleted in Pipedrive before" if processed else None)
    ]
    await scene.settle(process)
    assert (await scene.states())[-1] == "published"
    assert [deal["id"] for deal in scene.crm.deals if not deal["is_deleted"]] == [2]
    [new] = there(scene)
    assert scene.crm.activities[new - 1]["deal_id"] == 2


async def test_an_account_that_does_not_allow_it_stops_the_undo(scene: Scene) -> None:
    scene.crm.deletions_allowed = False
    process = await published(scene, "ada", "bob", "cy", "dee")
    begun = await undo(scene, "", *(row.id for row in await scene.rows()))
    await carry_out(scene, process)
    stopped = await read(scene, begun)
    assert "403" in (stopped.stopped_because or "")
    assert stopped.deal_counts == {UndoneState.FAILED: 3, UndoneState.WAITING: 1}
    scene.crm.deletions_allowed = True
    await actions.resume_undo(acting(scene), begun.id)
    await carry_out(scene, process)
    assert (await read(scene, begun)).deal_counts == {DELETED: 4}


async def test_a_deal_that_was_kept_for_what_failed_goes_once_that_is_deleted(scene: Scene) -> None:
    denied = Fault.says(403, {"success": False, "error": "no"})
    scene.crm.faults.script(denied, method="DELETE", path="activities/1$")
    process = await published(scene, "ada")
    begun = await undo(scene, "ada")
    await carry_out(scene, process)
    assert await deals_of(scene, begun) == [(1, KEPT, "it has activities")]
    await actions.resume_undo(acting(scene), begun.id)
    await carry_out(scene, process)
    assert open_deals(scene) == []


async def test_a_deal_that_may_not_be_deleted_says_why_and_is_used_meanwhile(scene: Scene) -> None:
    scene.crm.deletions_allowed = False
    process = await published(scene, "ada")
    begun = await undo(scene, "ada")
    await carry_out(scene, process)
    ended = await read(scene, begun)
    assert (ended.stopped_because, ended.deal_counts) == (None, {UndoneState.FAILED: 1})
    [(_, _, reason)] = await deals_of(scene, begun)
    assert "403" in str(reason)
    assert await told(scene) == {ProblemKind.UNDO_FAILED: 1}
    # The deal is kept if something is put there before the next try.
    await scene.find_files("ada", "new.py")
    await scene.settle(process)
    assert len(there(scene)) == 1
    scene.crm.deletions_allowed = True
    await actions.resume_undo(acting(scene), begun.id)
    await carry_out(scene, process)
    assert await deals_of(scene, begun) == [(1, KEPT, "it has activities")]
    assert await told(scene) == {}


FAULTS = (
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.error(500, processed=True),
    Fault.html(502),
    Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
)


@pytest.mark.long
async def test_deals_of_many_users_under_faults_and_kills(scene: Scene) -> None:
    logins = [f"user{n}" for n in range(5)]
    process = await published(scene, *logins, "other")
    scene.crm.add_activity("call her", deal_id=3)
    begun = [await undo(scene, login) for login in logins]
    for moment in (25, 40, 55):
        fine = [Fault.slow(timedelta(0))]
        for fault in FAULTS:
            scene.crm.faults.script(*fine, fault, method="DELETE", path="/deals/")
            scene.crm.faults.script(*fine, fault, method="GET", path="/deals/[0-9]+$")
        process.database.dies = process.database.in_moments(moment)
        await until_killed(process)
        process = await scene.process()
    await carry_out(scene, process)
    for one in begun:
        async with scene.database.read() as transaction:
            assert (await undos.get(transaction, one.id)).ended_at is not None
    assert sorted(map(str, open_deals(scene))) == ["other", "user2"]
    # Each user has one deal again once something new is there, and every activity is in it.
    for login in logins:
        await scene.find_files(login, "new.py")
    await scene.settle(process)
    assert set(scene.deals().values()) == {1}
    assert set(scene.activities().values()) == {1}
