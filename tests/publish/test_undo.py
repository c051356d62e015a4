"""Undoing deletes exactly the activities that gitpip made of what was undone, whatever fails."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from gitpip.actions import undo as actions
from gitpip.actions.acting import Acting
from gitpip.actions.adoption import ACKNOWLEDGEABLE, acknowledge
from gitpip.actions.undo import What
from gitpip.errors import NothingToUndo, PublicationStateError
from gitpip.model import CheckId, OnEdit, PublicationId, PublicationState
from gitpip.modes import PublishingMode
from gitpip.publish.denials import ADVICE
from gitpip.status.problem import ProblemKind, Severity
from gitpip.status.undos import problems as undo_problems
from gitpip.store.access.audit_log import Actor
from gitpip.store.publications import publications, undo_choice, undone, undos
from gitpip.store.publications.undos import Undo, UndoId
from gitpip.store.schema import gist_files
from gitpip.store.schema import publications as rows
from gitpip.store.schema_access import Via
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_undo import UndoneState
from gitpip_standins import Fault, FaultKind
from tests.publish.test_edits import publish, see
from tests.support.happened import happened
from tests.support.scene import TIMEOUT, Process, Scene, until_killed, wake_nobody

FINE = Fault.slow(timedelta(0))
"""No fault at all."""


def acting(scene: Scene) -> Acting:
    return Acting(scene.database, Actor("eve", Via.API), wake_nobody, scene.clock)


async def undo(scene: Scene, *ids: int, login: str = "") -> Undo:
    what = What(login=login, publications=[PublicationId(each) for each in ids])
    return await actions.undo(acting(scene), what)


async def read(scene: Scene, one: Undo) -> Undo:
    async with scene.database.read() as transaction:
        return await undos.get(transaction, one.id)


async def files(scene: Scene, one: Undo) -> dict[str, tuple[UndoneState, str | None]]:
    async with scene.database.read() as transaction:
        found = await undos.files(transaction, one.id, offset=0, limit=1_000)
    return {each.filename: (each.state, each.reason) for each in found}


async def carry_out(scene: Scene, process: Process) -> None:
    """Publish and undo, and let time pass, until nothing waits."""
    for _ in range(300):
        await process.run()
        async with scene.database.read() as transaction:
            times = (
                await undone.next_due(transaction, scene.mode),
                await publications.next_due(transaction, scene.mode),
            )
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            return
        pause = await scene.pause()
        wake_at = max(due, pause.until) if pause else due
        scene.clock.now = max(scene.clock.now, wake_at) + timedelta(milliseconds=1)
    raise AssertionError("still waiting")


async def told(scene: Scene) -> dict[ProblemKind, int]:
    """What the status says about undos, with numbers."""
    async with scene.database.read() as transaction:
        return {each.kind: each.count for each in await undo_problems(transaction)}


def there(scene: Scene) -> set[int]:
    return {int(str(one["id"])) for one in scene.crm.activities if not one["is_deleted"]}


async def test_exactly_what_was_undone_is_deleted(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py", "b.py", "c.py")
    await scene.settle(process)
    first, second, third = await scene.rows()
    begun = await undo(scene, first.id, third.id)
    assert (begun.total, begun.ended_at) == (2, None)

    with capture_logs() as logged:
        await carry_out(scene, process)

    assert there(scene) == {second.activity_id}
    assert await scene.states() == ["withdrawn", "published", "withdrawn"]
    told = [each["event"] for each in logged if each.get("undo_id") == begun.id]
    assert told == ["publication.withdrawn", "publication.withdrawn", "undo.ended"]
    ended = await read(scene, begun)
    assert ended.ended_at is not None
    assert ended.counts == {UndoneState.DELETED: 2}


async def test_what_waits_is_withdrawn_at_once(scene: Scene) -> None:
    await scene.find_files("ada", "waits.py")
    await scene.find_files("ada", "held.py", held_because="too many")
    begun = await undo(scene, login="ada")
    assert begun.ended_at is not None
    assert begun.counts == {UndoneState.NOT_SENT: 2}
    await scene.settle(await scene.process())
    assert await scene.states() == ["withdrawn", "withdrawn"]
    assert not scene.crm.activities


async def test_nothing_is_undone_twice(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    # Two people at the same moment: one of them is told.
    both = await asyncio.gather(
        undo(scene, login="ada"), undo(scene, login="ada"), return_exceptions=True
    )
    [refused] = [one for one in both if not isinstance(one, Undo)]
    assert isinstance(refused, NothingToUndo)
    assert "user ada is left to undo: 1 being undone already" in str(refused)
    await carry_out(scene, process)
    with pytest.raises(NothingToUndo, match=r"user ada is left .* 1 undone before"):
        await undo(scene, login="ada")
    assert sum(request.method == "DELETE" for request in scene.crm.requests) == 1


async def test_what_is_being_undone_is_sent_again_only_after_it(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    [row] = await scene.rows()
    await undo(scene, row.id)
    async with scene.database.begin() as transaction:
        with pytest.raises(PublicationStateError, match="is being undone by undo 1"):
            await publications.retry(transaction, row.id, scene.clock())
    await carry_out(scene, process)
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, row.id, scene.clock())
    scene.crm.list_lag = timedelta(minutes=1)  # so a list shows what was deleted, for a while
    await scene.settle(process, watched=True)
    [again] = await scene.rows()
    assert again.state is PublicationState.PUBLISHED
    assert there(scene) == {again.activity_id}
    assert again.activity_id != row.activity_id


async def test_what_a_person_touched_is_kept_and_says_why(scene: Scene) -> None:
    process = await scene.process()
    names = ("done.py", "edited.py", "gone.py", "moved.py", "note.py", "untouched.py")
    await scene.find_files("ada", *names)
    await scene.settle(process)
    ids = {row.filename: row.activity_id or 0 for row in await scene.rows()}
    scene.clock.advance(timedelta(minutes=1))
    other = scene.crm.add_deal("another deal")
    scene.crm.edit_activity(ids["done.py"], done=True, marked_as_done_time="2026-03-04T06:00:00Z")
    scene.crm.edit_activity(ids["edited.py"], priority=2)
    scene.crm.edit_activity(ids["moved.py"], deal_id=other)
    scene.crm.edit_activity(ids["note.py"], note="a person's own words")
    scene.crm.delete_activity(ids["gone.py"])
    begun = await undo(scene, login="ada")

    await carry_out(scene, process)

    done = await files(scene, begun)
    assert done["note.py"] == (UndoneState.KEPT, "a person changed its subject or its note")
    assert done["moved.py"] == (
        UndoneState.KEPT,
        f"it is under deal {other} now: a person moved it, or merged its deal",
    )
    assert done["edited.py"] == (UndoneState.KEPT, "a person changed it")
    assert done["gone.py"] == (
        UndoneState.DELETED,
        "its activity was deleted in Pipedrive before",
    )
    assert done["untouched.py"] == (UndoneState.DELETED, None)
    kept = {name for name, (state, _) in done.items() if state is UndoneState.KEPT}
    assert there(scene) == {ids[name] for name in kept}
    assert (await read(scene, begun)).ended_at is not None
    async with scene.database.read() as transaction:
        again = await actions.plan(transaction, What(login="ada"))
    assert (again.to_delete, again.kept_before, again.done) == (4, 4, 2)


async def test_a_note_that_gitpip_wrote_anew_is_no_persons_change(scene: Scene) -> None:
    scene.on_edit = OnEdit.UPDATE
    process = await scene.process()
    await publish(scene, "v1")
    [row] = await scene.rows()
    scene.clock.advance(timedelta(minutes=1))
    await see(scene, "v2")
    await scene.settle(process)
    assert any(request.method == "PATCH" for request in scene.crm.requests)
    await undo(scene, row.id)
    await carry_out(scene, process)
    assert not there(scene)


@pytest.mark.parametrize("lands", [True, False])
async def test_what_is_uncertain_is_settled_first(scene: Scene, lands: bool) -> None:
    process = await scene.process()
    fault = Fault.drop(processed=True) if lands else Fault.error(500)
    scene.crm.faults.script(fault, method="POST", path="/activities$")
    await scene.find_files("ada", "a.py")
    await process.run()
    assert await scene.states() == ["uncertain"]
    begun = await undo(scene, login="ada")
    assert begun.ended_at is None
    await carry_out(scene, process)
    assert await scene.states() == ["withdrawn"]
    assert not there(scene)
    assert len(scene.crm.activities) == int(lands)
    state = UndoneState.DELETED if lands else UndoneState.NOT_SENT
    assert (await read(scene, begun)).counts == {state: 1}


async def test_undone_while_it_is_being_sent(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    running = await scene.freeze_in_state(process, PublicationState.SENDING)
    begun = await undo(scene, login="ada")
    assert begun.ended_at is None
    process.thaw()
    await running
    await carry_out(scene, process)
    assert await scene.states() == ["withdrawn"]
    assert len(scene.crm.activities) == 1
    assert not there(scene)


async def test_an_activity_that_arrives_after_the_withdrawal_is_deleted(scene: Scene) -> None:
    scene.timeout = TIMEOUT
    process = await scene.process()
    scene.crm.faults.script(Fault.lands(timedelta(minutes=20)), method="POST", path="/activities$")
    await scene.find_files("ada", "a.py")
    await process.run()
    begun = await undo(scene, login="ada")
    await carry_out(scene, process)
    assert (await read(scene, begun)).counts == {UndoneState.NOT_SENT: 1}
    await scene.settle(process, watched=True)
    await carry_out(scene, process)
    assert len(scene.crm.activities) == 1
    assert not there(scene)
    assert (await read(scene, begun)).counts == {UndoneState.DELETED: 1}


FORBIDDEN = Fault(FaultKind.ERROR, processed=False, status=403)


async def test_an_account_that_does_not_allow_it_stops_that_undo_alone(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", *(f"{number}.py" for number in range(5)))
    await scene.settle(process)
    scene.crm.faults.script(FORBIDDEN, method="DELETE", path="/activities/", times=3)
    begun = await undo(scene, login="ada")
    await scene.find_files("bob", "c.py")
    await carry_out(scene, process)
    stopped = await read(scene, begun)
    assert stopped.stopped_because is not None
    assert "403" in stopped.stopped_because
    assert stopped.counts == {UndoneState.FAILED: 3, UndoneState.WAITING: 2}
    assert await happened(scene.database, EventKind.UNDO_STOPPED) == [
        ("undo.stopped", None, f"undo {begun.id}: {stopped.stopped_because}")
    ]
    assert len(there(scene)) == 6
    assert await scene.pause() is None
    await actions.resume_undo(acting(scene), UndoId(begun.id))
    await carry_out(scene, process)
    assert await scene.states() == [*["withdrawn"] * 5, "published"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_refused_deletion_does_not_delay_others(scene: Scene, method: str) -> None:
    process = await scene.process()
    await scene.find_files("ada", *(f"{number}.py" for number in range(6)))
    await scene.settle(process)
    ids = [row.activity_id or 0 for row in await scene.rows()]
    denied = {*ids[:2], ids[5]}
    path = f"/activities/({'|'.join(map(str, denied))})$"
    scene.crm.faults.script(FORBIDDEN, method=method, path=path, times=None)
    begun = await undo(scene, login="ada")
    await carry_out(scene, process)
    ended = await read(scene, begun)
    assert (ended.stopped_because, ended.ended_at is None) == (None, False)
    assert ended.counts == {UndoneState.FAILED: 3, UndoneState.DELETED: 3}
    assert there(scene) == denied
    state, reason = (await files(scene, begun))["0.py"]
    assert state is UndoneState.FAILED
    assert "403" in str(reason)
    assert ADVICE in str(reason)

    assert await told(scene) == {ProblemKind.UNDO_FAILED: 3}

    # All that is left is denied: that neither stops the undo nor goes on for good.
    await actions.resume_undo(acting(scene), UndoId(begun.id))
    assert await told(scene) == {ProblemKind.UNDO_UNDER_WAY: 3}
    await carry_out(scene, process)
    again = await read(scene, begun)
    assert (again.stopped_because, again.counts) == (None, ended.counts)
    assert await told(scene) == {ProblemKind.UNDO_FAILED: 3}

    # Another undo deletes one, and a person leaves the others.
    scene.crm.faults.clear()
    await undo(scene, 1)
    await carry_out(scene, process)
    assert await told(scene) == {ProblemKind.UNDO_FAILED: 2}
    assert await acknowledge(acting(scene), ACKNOWLEDGEABLE) == {"undo-failed": 2}
    assert await told(scene) == {}
    await actions.resume_undo(acting(scene), UndoId(begun.id))
    await carry_out(scene, process)
    assert there(scene) == set()


@pytest.mark.parametrize("times", [2, None])
@pytest.mark.parametrize("fault", [Fault.error(500), Fault.limited({"retry-after": "9"})])
async def test_what_is_tried_again_says_why(scene: Scene, fault: Fault, times: int | None) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    scene.crm.faults.script(fault, method="DELETE", path="/activities/1$", times=times)
    await undo(scene, login="ada")
    await process.run()
    async with scene.database.read() as transaction:
        [problem] = await undo_problems(transaction)
    assert (problem.kind, problem.severity) == (ProblemKind.UNDO_UNDER_WAY, Severity.WARNING)
    assert "An attempt failed: " in problem.sentence
    if times is not None:
        await carry_out(scene, process)
        assert await told(scene) == {}


async def test_an_undo_that_goes_on_begins_with_what_did_not_fail(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", *(f"{number}.py" for number in range(5)))
    await scene.settle(process)
    ids = [row.activity_id or 0 for row in await scene.rows()]
    path = f"/activities/({'|'.join(map(str, ids[:3]))})$"
    scene.crm.faults.script(FORBIDDEN, method="GET", path=path, times=None)
    begun = await undo(scene, login="ada")
    await carry_out(scene, process)
    assert (await read(scene, begun)).stopped_at is not None
    assert there(scene) == {*ids}
    await actions.resume_undo(acting(scene), UndoId(begun.id))
    await carry_out(scene, process)
    assert (await read(scene, begun)).counts == {UndoneState.FAILED: 3, UndoneState.DELETED: 2}
    assert there(scene) == {*ids[:3]}


async def test_a_daily_budget_that_ends_in_the_middle(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", *(f"{n}.py" for n in range(12)))
    await scene.settle(process)
    used_up = Fault.limited({"x-daily-ratelimit-token-remaining": "0"})
    scene.crm.faults.script(*[FINE] * 5, used_up, method="DELETE", path="/activities/")
    begun = await undo(scene, login="ada")
    await process.run()
    assert (await read(scene, begun)).counts == {UndoneState.DELETED: 5, UndoneState.WAITING: 7}
    assert await scene.pause() is not None
    await process.run()
    assert len(there(scene)) == 7
    await carry_out(scene, process)
    assert not there(scene)
    assert (await read(scene, begun)).counts == {UndoneState.DELETED: 12}


async def test_nothing_is_deleted_in_a_dry_run(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    await scene.set_mode(PublishingMode.DRY_RUN)
    await undo(scene, login="ada")
    await process.run()
    assert len(there(scene)) == 1
    await scene.set_mode(PublishingMode.AUTOMATIC)
    await carry_out(scene, process)
    assert not there(scene)


MANY = 120
FAULTS = (
    Fault.drop(),
    Fault.drop(processed=True),
    Fault.error(500),
    Fault.error(500, processed=True),
    Fault.html(502),
    Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
    Fault.hang(processed=True),
)


@pytest.mark.long
async def test_an_undo_of_many_under_faults_and_kills(scene: Scene) -> None:
    scene.timeout = timedelta(milliseconds=250)
    process = await scene.process()
    await scene.find_files("ada", *(f"{n}.py" for n in range(MANY)))
    await scene.find_files("bob", *(f"{n}.py" for n in range(20)))
    await scene.settle(process)
    others = {row.activity_id for row in await scene.rows() if row.login == "bob"}
    begun = await undo(scene, login="ada")
    for number, fault in enumerate(FAULTS):
        faults = [*[FINE] * 7, fault]
        scene.crm.faults.script(*faults, method="DELETE", path="/activities/")
        scene.crm.faults.script(*faults, method="GET", path="/activities/[0-9]+$")
        process.database.dies = process.database.in_moments(120 + number)
        await until_killed(process)
        process = await scene.process()
    await carry_out(scene, process)
    assert (await read(scene, begun)).counts == {UndoneState.DELETED: MANY}
    assert there(scene) == others
    assert Counter(await scene.states()) == {"withdrawn": MANY, "published": 20}


async def test_an_activity_with_files_of_another_check_is_kept_and_says_so(scene: Scene) -> None:
    await scene.set_publishing(activity_per="gist")
    process = await scene.process()
    await scene.find_files("ada", "a.py", "b.py")
    await scene.find_files("ada", "alone.py")
    async with scene.database.begin() as transaction:
        for name, number in (("a.py", 1), ("b.py", 2), ("alone.py", 1)):
            of_file = select(gist_files.c.key).where(gist_files.c.filename == name)
            await transaction.execute(
                update(rows).where(rows.c.file_key.in_(of_file)).values(check_id=number)
            )
    await scene.settle(process)
    before = there(scene)
    for number, result in ((1, {"a.py": "kept", "alone.py": "deleted"}), (2, None)):
        async with scene.database.begin() as transaction:
            chosen = undo_choice.of_check(CheckId(number))
            if result is None:
                with pytest.raises(NothingToUndo, match="1 share an activity with files"):
                    await undos.begin(transaction, chosen, by="eve", now=scene.clock())
                continue
            begun = await undos.begin(transaction, chosen, by="eve", now=scene.clock())
        await carry_out(scene, process)
        states = {name: state.value for name, (state, _) in (await files(scene, begun)).items()}
        assert states == result
    assert len(before) == 2
    assert len(there(scene)) == 1
    # A person who names the activity's publication means all its files.
    holder = next(row for row in await scene.rows() if row.filename == "a.py")
    await undo(scene, holder.id)
    await carry_out(scene, process)
    assert not there(scene)
