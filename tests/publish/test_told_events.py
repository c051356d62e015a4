"""Each way in which a file becomes published, or fails, is an event that names the file."""

import hashlib

import pytest

from gitpip.marking import marker_of
from gitpip.model import ActivityId, DealId, GistId, PublicationState
from gitpip.store import events
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.events import Event, EventKind, EventsWanted
from gitpip.store.publications import markers
from gitpip.store.publications.recognition import Sighting
from gitpip_standins import Fault, FaultKind
from tests.support.scene import Scene

REFUSAL = Fault(FaultKind.ERROR, processed=False, status=400)


async def told(scene: Scene, kind: EventKind) -> list[Event]:
    found = await events.latest(scene.database, EventsWanted(), limit=100)
    return [event for event in found if event.kind is kind]


async def test_each_file_that_fails_with_its_deal_is_named(scene: Scene) -> None:
    scene.crm.faults.script(REFUSAL, method="POST", path="deals$", times=None)
    await scene.find_files("ada", "a.py", "b.py")
    await (await scene.process()).run()
    rows = await scene.rows()
    assert {row.state for row in rows} == {PublicationState.FAILED}
    failed = await told(scene, EventKind.PUBLICATION_FAILED)
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
    published = await told(scene, EventKind.PUBLICATION_PUBLISHED)
    assert [(event.publication_id, event.gist_id, event.detail) for event in published] == [
        (first.id, first.gist_id, "a.py"),
        (second.id, gist_id, "b.py"),
    ]
