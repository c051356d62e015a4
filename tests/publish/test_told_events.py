"""What happens to files is told as events that name them, and the end of a pause once."""

import hashlib
from datetime import timedelta

import pytest

from gitpip.actions.acting import Acting
from gitpip.actions.try_now import try_now
from gitpip.marking import marker_of
from gitpip.model import ActivityId, DealId, GistId, PublicationState
from gitpip.store import events
from gitpip.store.access.audit_log import Actor
from gitpip.store.accounts import accounts
from gitpip.store.events import Event, EventsWanted
from gitpip.store.publications import markers, publications
from gitpip.store.publications.recognition import Sighting
from gitpip.store.publications.selection import PublicationFilter
from gitpip.store.schema_access import Via
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import RepairAct
from gitpip_standins import Fault, FaultKind
from tests.publish.test_repairs import repair
from tests.publish.test_undo import carry_out, undo
from tests.support.happened import happened
from tests.support.scene import Scene, wake_nobody

EVE = Actor("eve", Via.API)
REFUSAL = Fault(FaultKind.ERROR, processed=False, status=400)


async def named(scene: Scene, kind: EventKind) -> tuple[Event, ...]:
    return await events.latest(scene.database, EventsWanted([kind]), limit=100)


async def test_each_file_that_fails_with_its_deal_is_named(scene: Scene) -> None:
    scene.crm.faults.script(REFUSAL, method="POST", path="deals$", times=None)
    await scene.find_files("ada", "a.py", "b.py")
    await (await scene.process()).run()
    rows = await scene.rows()
    assert {row.state for row in rows} == {PublicationState.FAILED}
    failed = await named(scene, EventKind.PUBLICATION_FAILED)
    assert {(event.gist_id, str(event.detail)[:5]) for event in failed} == {
        (row.gist_id, f"{row.filename}:") for row in rows
    }


@pytest.mark.parametrize("found_first", [True, False])
async def test_an_activity_seen_in_pipedrive_is_an_event(
    scene: Scene, *, found_first: bool
) -> None:
    """A file can be found before its activity is seen there, or after that."""
    await scene.find_files("ada", "a.py")
    await (await scene.process()).run()
    [first] = await scene.rows()
    # The scene numbers its gists.
    gist_id = GistId(hashlib.md5(b"2").hexdigest())  # noqa: S324 - an id
    seen = Sighting(ActivityId(77), marker_of(gist_id, "b.py"), DealId(1), scene.clock())
    if found_first:
        await scene.find_files("ada", "b.py")
    async with scene.database.begin() as transaction:
        account = await accounts.bound(transaction, Vendor.DESTINATION)
        assert account is not None
        await markers.take_in(transaction, account.key, [seen], scene.clock())
    if not found_first:
        await scene.find_files("ada", "b.py")
    second = (await scene.rows())[-1]
    assert second.activity_id == 77
    published = await named(scene, EventKind.PUBLICATION_PUBLISHED)
    assert [(event.publication_id, event.gist_id, event.detail) for event in published] == [
        (first.id, first.gist_id, "a.py"),
        (second.id, gist_id, "b.py"),
    ]


async def test_each_file_that_an_undo_withdraws_is_named(scene: Scene) -> None:
    """Also what was never sent: it is withdrawn at once."""
    process = await scene.process()
    await scene.find_files("ada", "sent.py")
    await scene.settle(process)
    await scene.find_files("ada", "waits.py")
    await scene.find_files("ada", "held.py", held_because="too many")
    ids = {row.filename: row.id for row in await scene.rows()}
    await undo(scene, login="ada")
    unsent = await named(scene, EventKind.PUBLICATION_WITHDRAWN)
    assert [(event.publication_id, event.login, event.detail) for event in unsent] == [
        (ids["waits.py"], "ada", "waits.py: undone before it was sent"),
        (ids["held.py"], "ada", "held.py: undone before it was sent"),
    ]
    await carry_out(scene, process)
    assert (await happened(scene.database, EventKind.PUBLICATION_WITHDRAWN))[2:] == [
        ("publication.withdrawn", "ada", "sent.py")
    ]


async def test_an_activity_that_an_undo_keeps_is_told_with_the_reason(scene: Scene) -> None:
    process = await scene.process()
    await scene.find_files("ada", "a.py")
    await scene.settle(process)
    [row] = await scene.rows()
    scene.clock.advance(timedelta(minutes=1))
    scene.crm.edit_activity(row.activity_id or 0, priority=2)
    await undo(scene, login="ada")
    await carry_out(scene, process)
    assert await happened(scene.database, EventKind.PUBLICATION_KEPT) == [
        ("publication.kept", "ada", "a.py: a person changed it")
    ]


async def test_what_a_person_retries_is_told(scene: Scene) -> None:
    """Each file that failed, and the number of those that an undo had withdrawn."""
    scene.crm.faults.script(REFUSAL, method="POST", path="deals$", times=None)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    scene.crm.faults.clear()
    [row] = await scene.rows()
    async with scene.database.begin() as transaction:
        await publications.retry(transaction, row.id, scene.clock())
        await publications.retry(transaction, row.id, scene.clock())  # it only waits
    await scene.settle(process)
    await undo(scene, login="ada")
    await carry_out(scene, process)
    await repair(scene, RepairAct.RETRY, PublicationFilter(ids=(row.id,)))
    assert await happened(scene.database, EventKind.PUBLICATIONS_RETRIED) == [
        ("publications.retried", "ada", "a.py"),
        ("publications.retried", "ada", "1 file: retried by a person"),
    ]


async def test_what_is_deleted_while_it_is_held_is_told_and_that_it_is_held_again(
    scene: Scene,
) -> None:
    await scene.find_files("ada", "a.py", "b.py", held_because="too many")
    keys = [row.file_key for row in await scene.rows()]
    async with scene.database.begin() as transaction:
        await publications.skip_deleted(transaction, keys, scene.clock())
    async with scene.database.begin() as transaction:
        await publications.take_back_skips_of_deleted(transaction, keys, scene.clock())
    assert await happened(scene.database) == [
        ("user.added", "ada", None),
        ("publications.skipped", "ada", "2 files: deleted or made secret on GitHub"),
        ("publications.held", "ada", "2 files: shown on GitHub again"),
    ]


async def test_the_end_of_a_pause_by_a_person_is_told_once(scene: Scene) -> None:
    """The request that succeeds afterwards does not tell it again."""
    scene.crm.faults.script(Fault.limited({"x-daily-ratelimit-token-remaining": "0"}))
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    paused, resumed = EventKind.PUBLISHING_PAUSED, EventKind.PUBLISHING_RESUMED
    assert [kind for kind, *_ in await happened(scene.database, paused, resumed)] == [paused]
    await try_now(Acting(scene.database, EVE, wake_nobody, scene.clock), ("publishing",))
    assert await scene.pause() is None
    told = [kind for kind, *_ in await happened(scene.database, paused, resumed)]
    assert told == [paused, resumed]
    await scene.settle(process)
    assert await scene.states() == ["published"]
    assert [kind for kind, *_ in await happened(scene.database, paused, resumed)] == told
