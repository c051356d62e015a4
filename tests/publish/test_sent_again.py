"""What a person has sent again gets exactly one new activity, and the old one stays."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from gitpip.actions import repairs as repair_actions
from gitpip.actions import undo as undo_actions
from gitpip.actions.repairs import RepairAction
from gitpip.actions.undo import What
from gitpip.errors import NothingToUndo, PublicationStateError, UndoNotStopped
from gitpip.model import PublicationId, PublicationState
from gitpip.publish.activity import find_markers
from gitpip.store import ledger
from gitpip.store.access.audit_log import Actor
from gitpip.store.publications import duplicates, opt_outs, publications, sent_again, undos
from gitpip.store.publications.repairs import Repair
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.publications.undos import Undo
from gitpip.store.schema import users
from gitpip.store.schema_access import Via
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import RepairAct
from gitpip.store.schema_undo import UndoneState, UndoScope
from gitpip_standins import Fault, FaultKind
from tests.publish.test_undo import FINE, FORBIDDEN, acting, carry_out, read, there
from tests.support.activities import markers_in
from tests.support.happened import happened
from tests.support.restores import Backup
from tests.support.scene import Process, Scene, until_killed

pytestmark = pytest.mark.long

PUBLISHED = PublicationState.PUBLISHED


async def send_again(scene: Scene, *ids: int, **wanted: object) -> Repair:
    selection = PublicationFilter(ids=tuple(map(PublicationId, ids)), **wanted)  # type: ignore[arg-type]
    begun = await repair_actions.begin(acting(scene), RepairAction(RepairAct.SEND_AGAIN, selection))
    return await repair_actions.carry_out(acting(scene), begun.id)


async def undo(scene: Scene, which: UndoScope, *ids: int) -> Undo:
    what = What(publications=[PublicationId(each) for each in ids], which=which)
    return await undo_actions.undo(acting(scene), what)


async def published(scene: Scene, *names: str) -> Process:
    """Publish files; gives the process that did."""
    process = await scene.process()
    await scene.find_files("ada", *names)
    await scene.settle(process)
    return process


def files_of(scene: Scene) -> dict[str, int]:
    """How many activities each file has in Pipedrive."""
    counted: dict[str, int] = {}
    for one in scene.crm.activities:
        if not one["is_deleted"]:
            name = str(one["subject"]).partition(" ")[0]
            counted[name] = counted.get(name, 0) + 1
    return counted


async def test_an_opt_out_leaves_what_was_to_be_sent_again_as_it_was(scene: Scene) -> None:
    process = await published(scene, "a.py")
    await send_again(scene, 1)
    async with scene.database.begin() as transaction:
        actor = Actor("a person", Via.COMMAND)
        await opt_outs.add(transaction, "ada", None, actor, scene.clock())
    await scene.settle(process)

    assert [row.state for row in await scene.rows()] == [PUBLISHED]
    assert len(there(scene)) == 1


async def test_a_user_who_takes_the_login_of_an_opt_out_is_sent_nothing_again(scene: Scene) -> None:
    process = await published(scene, "a.py")
    async with scene.database.begin() as transaction:
        actor = Actor("a person", Via.COMMAND)
        await opt_outs.add(transaction, "countess", None, actor, scene.clock())
    await send_again(scene, 1)
    async with scene.database.begin() as transaction:
        await transaction.execute(update(users).values(login="countess"))
    await scene.settle(process)

    assert [row.state for row in await scene.rows()] == [PUBLISHED]
    assert len(there(scene)) == 1


async def test_what_a_person_sends_again_is_sent_although_github_deleted_it(scene: Scene) -> None:
    process = await published(scene, "a.py")
    await send_again(scene, 1)
    refusal = Fault(FaultKind.ERROR, processed=False, status=403)
    scene.crm.faults.script(refusal, method="POST", path="activities$")
    await process.run()
    async with scene.database.begin() as transaction:
        row = await publications.get(transaction, PublicationId(1))
        assert row.state == PublicationState.PENDING
        await publications.skip_deleted(transaction, [row.file_key], scene.clock())
    await scene.settle(process)

    assert [row.state for row in await scene.rows()] == [PUBLISHED]
    assert len(there(scene)) == 2


async def test_each_gets_one_new_activity_under_the_present_settings(scene: Scene) -> None:
    process = await published(scene, "a.py", "b.py", "left.py")
    before = {row.id: row for row in await scene.rows()}
    await scene.set_publishing(subject_template="Again {{ file.name }}")
    done = await send_again(scene, 1, 2)
    assert (done.total, done.done) == (2, 2)
    await scene.settle(process)

    after = {row.id: row for row in await scene.rows()}
    assert [row.state for row in after.values()] == [PUBLISHED] * 3
    assert len(there(scene)) == 5
    assert after[PublicationId(3)] == before[PublicationId(3)]
    for number in map(PublicationId, (1, 2)):
        new, old = after[number], before[number]
        [shown] = [one for one in scene.crm.activities if one["id"] == new.activity_id]
        assert str(shown["subject"]).startswith(f"Again {new.filename}")
        found = find_markers(subject=None, note=str(shown["note"]))
        assert (found.in_footer, found.first_marker) == (new.marker, old.marker)
        assert new.marker != old.marker
        async with scene.database.read() as transaction:
            [earlier] = await sent_again.earlier(transaction, number)
        assert (earlier.activity_id, earlier.replaced_by) == (old.activity_id, "eve")


@pytest.mark.parametrize("processed", [False, True], ids=["not processed", "processed"])
async def test_it_is_sent_once_whatever_fails(scene: Scene, processed: bool) -> None:
    process = await published(scene, "a.py", "b.py")
    await send_again(scene, 1, 2)
    faults = [Fault.drop(processed=processed)] * 2
    scene.crm.faults.script(*faults, method="POST", path="/activities$")
    process.database.dies = process.database.in_moments(6)
    await until_killed(process)
    await scene.settle(await scene.process(), watched=True)
    assert files_of(scene) == {"a.py": 2, "b.py": 2}
    assert await scene.states() == ["published", "published"]


async def test_a_further_time_counts_on(scene: Scene) -> None:
    process = await published(scene, "a.py")
    for _ in range(2):
        await send_again(scene, login="ada")
        await scene.settle(process)
    assert files_of(scene) == {"a.py": 3}
    assert (
        await happened(scene.database, EventKind.PUBLICATIONS_RETRIED)
        == [("publications.retried", "ada", "1 file: sent again by a person")] * 2
    )
    [row] = await scene.rows()
    async with scene.database.read() as transaction:
        assert len(await sent_again.earlier(transaction, row.id)) == 2


async def test_lists_take_neither_for_the_other(scene: Scene) -> None:
    process = await published(scene, "a.py")
    await send_again(scene, 1)
    await scene.settle(process)
    [row] = await scene.rows()
    async with scene.database.begin() as transaction:
        await ledger.lock(transaction)
        await ledger.request(transaction, scene.clock())
    await scene.settle(await scene.process())
    assert await scene.rows() == (row,)
    async with scene.database.read() as transaction:
        assert not await duplicates.listed(transaction, 1, 10)


async def test_what_is_skipped_before_it_is_sent_again_is_as_before(scene: Scene) -> None:
    process = await published(scene, "a.py")
    [before] = await scene.rows()
    await send_again(scene, 1)
    async with scene.database.begin() as transaction:
        skipped = await publications.skip(transaction, before.id, scene.clock())
    assert (skipped.state, skipped.marker) == (PUBLISHED, before.marker)
    assert (skipped.activity_id, skipped.deal_id) == (before.activity_id, before.deal_id)
    await scene.settle(process)
    assert there(scene) == {before.activity_id}


EITHER_OR_BOTH = [(which, True) for which in UndoScope] + [
    (UndoScope.ALL, False),
    (UndoScope.NEWEST, False),
]


@pytest.mark.parametrize(("which", "sent"), EITHER_OR_BOTH)
async def test_an_undo_takes_back_either_or_both(
    scene: Scene, which: UndoScope, sent: bool
) -> None:
    process = await published(scene, "a.py")
    [first] = await scene.rows()
    await send_again(scene, 1)
    if sent:
        await scene.settle(process)
    [newest] = await scene.rows()
    begun = await undo(scene, which, 1)
    await carry_out(scene, process)

    [after] = await scene.rows()
    ended = await read(scene, begun)
    assert ended.ended_at is not None
    if which is UndoScope.ALL:
        assert there(scene) == set()
        assert after.state is PublicationState.WITHDRAWN
    elif which is UndoScope.NEWEST:
        assert there(scene) == {first.activity_id}
        assert (after.state, after.activity_id) == (PUBLISHED, first.activity_id)
        assert (after.marker, after.first_marker) == (first.marker, None)
    else:
        assert there(scene) == {newest.activity_id}
        assert (after.state, after.activity_id) == (PUBLISHED, newest.activity_id)
    state = UndoneState.DELETED if sent or which is UndoScope.ALL else UndoneState.NOT_SENT
    assert ended.counts == {state: 1}


REFUSAL = Fault(FaultKind.ERROR, processed=False, status=400)


@pytest.mark.parametrize("how", [UndoScope.NEWEST, UndoScope.ALL, RepairAct.SKIP])
async def test_what_lands_after_it_was_taken_back(scene: Scene, how: UndoScope | RepairAct) -> None:
    process = await published(scene, "a.py")
    [first] = await scene.rows()
    await send_again(scene, 1)
    scene.crm.list_lag = timedelta(minutes=20)
    faults = (Fault.drop(processed=True), REFUSAL)
    scene.crm.faults.script(*faults, method="POST", path="/activities$")
    await scene.settle_until(process, lambda states: states == ["failed"])
    if isinstance(how, UndoScope):
        await undo(scene, how, 1)
    else:
        async with scene.database.begin() as transaction:
            await publications.skip(transaction, PublicationId(1), scene.clock())
    await carry_out(scene, process)
    assert (await send_again(scene, 1)).done == 0  # as long as it may land yet
    if how is UndoScope.ALL:
        async with scene.database.begin() as transaction:
            with pytest.raises(PublicationStateError, match="in an hour"):
                await publications.retry(transaction, PublicationId(1), scene.clock())

    await scene.settle(process, watched=True)
    await carry_out(scene, process)
    [after] = await scene.rows()
    assert len(scene.crm.activities) == 2
    if how is UndoScope.ALL:
        assert (there(scene), after.state) == (set(), PublicationState.WITHDRAWN)
    elif how is UndoScope.NEWEST:
        assert (there(scene), after.activity_id) == ({first.activity_id}, first.activity_id)
    else:
        assert there(scene) == {first.activity_id, after.activity_id}
        assert after.activity_id != first.activity_id
    await scene.settle(process, watched=True)
    if how is not UndoScope.ALL:
        await send_again(scene, 1)
        await scene.settle(process)
        markers = [marker for each in scene.crm.activities for marker in markers_in(each)]
        assert len(markers) == len(set(markers)) == 3


async def test_a_touched_earlier_activity_is_kept_and_said(scene: Scene) -> None:
    process = await published(scene, "a.py")
    [first] = await scene.rows()
    await send_again(scene, 1)
    await scene.settle(process)
    scene.clock.advance(timedelta(minutes=1))
    scene.crm.edit_activity(first.activity_id or 0, note="a person's own words")
    begun = await undo(scene, UndoScope.ALL, 1)
    await carry_out(scene, process)
    assert there(scene) == {first.activity_id}
    async with scene.database.read() as transaction:
        [one] = await undos.files(transaction, begun.id, offset=0, limit=9)
    assert (one.state, one.activity_id) == (UndoneState.KEPT, first.activity_id)
    assert one.reason == "a person changed its subject or its note"


async def test_what_is_earlier_is_undone_once_the_newest_is_there(scene: Scene) -> None:
    process = await published(scene, "a.py")
    await send_again(scene, 1)
    with pytest.raises(NothingToUndo, match="not in Pipedrive yet"):
        await undo(scene, UndoScope.EARLIER, 1)
    await scene.settle(process)
    assert (await undo(scene, UndoScope.EARLIER, 1)).total == 1


async def test_an_undo_of_the_newest_leaves_why_an_earlier_one_was_kept(scene: Scene) -> None:
    process = await published(scene, "a.py")
    [first] = await scene.rows()
    await send_again(scene, 1)
    await scene.settle(process)
    scene.clock.advance(timedelta(minutes=1))
    scene.crm.edit_activity(first.activity_id or 0, note="a person's own words")
    for which in (UndoScope.EARLIER, UndoScope.NEWEST):
        await undo(scene, which, 1)
        async with scene.database.read() as transaction:
            [earlier] = await sent_again.earlier(transaction, first.id)
        assert (earlier.kept_because is None) is (which is UndoScope.EARLIER)
        await carry_out(scene, process)
    assert there(scene) == {first.activity_id}


async def test_each_activity_of_a_publication_has_attempts_of_its_own(scene: Scene) -> None:
    process = await published(scene, "a.py")
    await send_again(scene, 1)
    await scene.settle(process)
    begun = await undo(scene, UndoScope.ALL, 1)
    lost = [Fault(FaultKind.ERROR, processed=False, status=500)] * 7
    scene.crm.faults.script(*lost, FINE, *lost, method="DELETE", path="/activities/")
    await carry_out(scene, process)
    assert not there(scene)
    assert (await read(scene, begun)).counts == {UndoneState.DELETED: 1}


async def test_what_was_undone_is_sent_again_and_found_once(scene: Scene) -> None:
    process = await published(scene, "a.py")
    await undo(scene, UndoScope.ALL, 1)
    await carry_out(scene, process)
    done = await send_again(scene, 1)
    assert done.done == 1
    scene.crm.list_lag = timedelta(minutes=1)
    scene.crm.faults.script(Fault.drop(), method="POST", path="/activities$")
    await scene.settle(process, watched=True)
    assert files_of(scene) == {"a.py": 1}


async def test_a_restored_database_does_not_send_it_once_more(scene: Scene, backup: Backup) -> None:
    process = await published(scene, "a.py")
    backup.make()
    await send_again(scene, 1)
    await scene.settle(process)
    scene.clock.advance(timedelta(hours=1))
    backup.restore()
    other = await scene.process()
    await scene.settle(other)
    async with scene.database.begin() as transaction:
        await ledger.lock(transaction)
        await ledger.request(transaction, scene.clock())
    await scene.settle(other)
    await send_again(scene, 1)
    await scene.settle(other)
    assert files_of(scene) == {"a.py": 2}
    assert await scene.states() == ["published"]


@pytest.mark.parametrize("compared", [False, True], ids=["found first", "compared first"])
async def test_a_new_database_recognises_the_newest_activity(
    scene: Scene, empty: Scene, compared: bool
) -> None:
    process = await published(scene, "a.py")
    await send_again(scene, 1)
    await scene.settle(process)
    await undo(scene, UndoScope.EARLIER, 1)
    await carry_out(scene, process)
    [known] = await scene.rows()
    scene.clock.advance(timedelta(hours=1))

    if compared:
        empty._gists = 7
        await published(empty, "other.py")
        empty._gists = 0
    await published(empty, "a.py")
    row = (await empty.rows())[-1]
    assert (row.state, row.activity_id, row.first_marker) == (
        PUBLISHED,
        known.activity_id,
        known.first_marker,
    )
    assert files_of(scene)["a.py"] == 1


@pytest.mark.parametrize("which", UndoScope)
async def test_an_undo_in_a_new_database_finds_every_activity(
    scene: Scene, empty: Scene, which: UndoScope
) -> None:
    process = await published(scene, "a.py")
    for _ in range(2):
        await send_again(scene, 1)
        await scene.settle(process)
    first, second, third = sorted(there(scene))
    scene.clock.advance(timedelta(hours=1))

    process = await published(empty, "a.py")
    async with empty.database.read() as transaction:
        what = What(publications=[PublicationId(1)], which=which)
        planned = await undo_actions.plan(transaction, what)
    before = there(scene)
    await undo(empty, which, 1)
    await carry_out(empty, process)
    left = {
        UndoScope.ALL: set(),
        UndoScope.NEWEST: {first, second},
        UndoScope.EARLIER: {third},
    }[which]
    assert there(scene) == left
    assert planned.activities == len(before - left)


@pytest.mark.parametrize("which", list(UndoScope))
async def test_an_undo_that_goes_on_keeps_what_was_sent_after_it(
    scene: Scene, which: UndoScope
) -> None:
    process = await published(scene, "a.py", "b.py")
    if which is not UndoScope.ALL:
        await send_again(scene, 1, 2)
        await scene.settle(process)
    before = there(scene)
    scene.crm.faults.script(FORBIDDEN, method="DELETE", path="/activities/", times=2)
    begun = await undo(scene, which, 1, 2)
    await carry_out(scene, process)
    assert (await read(scene, begun)).counts == {UndoneState.FAILED: 2}
    scene.clock.advance(timedelta(hours=2))
    await send_again(scene, 1)
    await scene.settle(process)
    [later] = there(scene) - before

    await undo_actions.resume_undo(acting(scene), begun.id)
    await carry_out(scene, process)

    assert later in there(scene)
    assert files_of(scene)["a.py"] == (2 if which is UndoScope.ALL else 3)
    assert files_of(scene).get("b.py", 0) == (0 if which is UndoScope.ALL else 1)
    with pytest.raises(UndoNotStopped):
        await undo_actions.resume_undo(acting(scene), begun.id)
