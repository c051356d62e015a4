"""Edits of published files, also where the ledger is younger than the CRM: none is swallowed."""

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import update

from gitpip.backfill import Backfill
from gitpip.marking import content_tag_of, marker_of, marker_of_content
from gitpip.model import Account, ActivityId, DealId, GistId, GitHubId, OnEdit, SeenFile, SeenGist
from gitpip.store.accounts import accounts
from gitpip.store.accounts.accounts import NamedAccount
from gitpip.store.gists import gists
from gitpip.store.publications import markers, note_updates, publications
from gitpip.store.publications.recognition import Sighting
from gitpip.store.schema import publications as rows
from gitpip.store.schema import publications as rows_of_publications
from gitpip.store.schema_accounts import Vendor
from gitpip.store.users import users
from tests.support.scene import Scene

pytestmark = pytest.mark.long

GIST = GistId("a" * 32)
NAME = "a.py"


def blob(content: str) -> str:
    data = content.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - git's


async def see(scene: Scene, content: str) -> None:
    """What watching does when GitHub shows the file with this content."""
    now = scene.clock()
    file = SeenFile(NAME, blob(content), len(content), "Python", "https://x/raw", content)
    gist = SeenGist(GIST, GitHubId(1), None, "https://x/gist", now, now, (file,))
    async with scene.database.begin() as transaction:
        added = await users.add(
            transaction,
            "ada",
            external_id="1",
            account=Account("ada", GitHubId(1)),
            backfill=Backfill.parse("all"),
            now=now,
        )
        stored = await gists.store(transaction, added.user, [gist], check_id=None, now=now)
        edited = stored.edited if scene.on_edit is OnEdit.NEW else ()
        new = [
            publications.NewPublication(
                one.key,
                one.gist_id,
                one.filename,
                one.blob_hash,
                revision=one.revision,
                times=one.times,
            )
            for one in (*stored.new, *edited)
        ]
        await publications.add(transaction, added.user.key, new, now, on_edit=scene.on_edit)
        if scene.on_edit is OnEdit.UPDATE:
            await note_updates.add(transaction, [one.key for one in stored.edited], now)


async def publish(scene: Scene, *contents: str) -> None:
    process = await scene.process()
    for content in contents:
        await see(scene, content)
        await scene.settle(process)


def shown(scene: Scene) -> list[str]:
    """The contents in the CRM, in the order in which they came."""
    notes = [str(each["note"]) for each in scene.crm.activities if not each["is_deleted"]]
    return [note.partition("<pre>")[2].partition("</pre>")[0] for note in notes]


def hide_tags(scene: Scene) -> None:
    """Make the notes as they were before they had a tag."""
    for each in scene.crm.activities:
        head, _, foot = str(each["note"]).rpartition("<p>content ")
        marker = foot.partition(" ")[2]
        scene.crm.edit_activity(int(str(each["id"])), note=f"{head}<p>{marker}")


async def test_a_new_database_publishes_the_edits_to_come(scene: Scene, empty: Scene) -> None:
    scene.on_edit = empty.on_edit = OnEdit.NEW
    await publish(scene, "v1", "v2", "v3")
    scene.clock.advance(timedelta(hours=1))
    await publish(empty, "v3", "v4", "v5")
    assert shown(scene) == ["v1", "v2", "v3", "v4", "v5"]
    assert await empty.states() == ["published"] * 3


@pytest.mark.parametrize("compared_first", [True, False])
async def test_a_new_database_publishes_an_edit_of_the_meantime(
    scene: Scene, empty: Scene, compared_first: bool
) -> None:
    scene.on_edit = empty.on_edit = OnEdit.NEW
    await publish(scene, "v1")
    scene.clock.advance(timedelta(hours=1))
    if compared_first:
        await (await empty.process()).run()
    await publish(empty, "v2")
    await publish(empty)
    assert shown(scene) == ["v1", "v2"]
    assert await empty.states() == ["published"]


@pytest.mark.parametrize("compared_first", [True, False])
@pytest.mark.parametrize("tagged", [True, False])
async def test_a_new_database_brings_a_note_up_to_date(
    scene: Scene, empty: Scene, compared_first: bool, tagged: bool
) -> None:
    scene.on_edit = empty.on_edit = OnEdit.UPDATE
    await publish(scene, "v1")
    if not tagged:
        hide_tags(scene)
    scene.clock.advance(timedelta(hours=1))
    if compared_first:
        await (await empty.process()).run()
    await publish(empty, "v2")
    await (await empty.process()).run()
    assert shown(scene) == ["v2"]


async def test_a_note_that_is_up_to_date_costs_nothing(scene: Scene, empty: Scene) -> None:
    scene.on_edit = empty.on_edit = OnEdit.UPDATE
    await publish(scene, "v1")
    hide_tags(scene)
    scene.clock.advance(timedelta(hours=1))
    await publish(empty, "v1")
    await (await empty.process()).run()
    assert not [one for one in scene.crm.requests if one.method == "PATCH"]


async def test_what_was_edited_back_is_published_each_time(scene: Scene) -> None:
    scene.on_edit = OnEdit.NEW
    await publish(scene, "A", "B", "A", "B")
    assert shown(scene) == ["A", "B", "A", "B"]
    markers = [row.marker for row in await scene.rows()]
    assert markers == [
        marker_of(GIST, NAME),
        marker_of_content(GIST, NAME, blob("B")),
        marker_of_content(GIST, NAME, blob("A"), 1),
        marker_of_content(GIST, NAME, blob("B"), 1),
    ]
    assert f"content {content_tag_of(blob('B'))} gitpip {markers[3]}" in str(
        scene.crm.activities[3]["note"]
    )


@pytest.mark.parametrize("compared_first", [True, False])
async def test_what_was_marked_by_a_number_is_recognised(
    scene: Scene, empty: Scene, compared_first: bool
) -> None:
    """Edits were marked by their number before: their rows keep that, and none is doubled."""
    scene.on_edit = empty.on_edit = OnEdit.NEW
    await publish(scene, "v1", "v2")
    await see(scene, "v3")
    async with scene.database.begin() as transaction:
        await transaction.execute(
            update(rows).where(rows.c.revision == 3).values(marker=marker_of(GIST, NAME, 3))
        )
    await scene.settle(await scene.process())
    hide_tags(scene)
    assert scene.activities()[marker_of(GIST, NAME, 3)] == 1
    scene.clock.advance(timedelta(hours=1))

    # It knows the file as it was first: the edit is the second one for it.
    await see(empty, "v1")
    if compared_first:
        await (await empty.process()).run()
    await see(empty, "v3")
    await empty.settle(await empty.process())
    await publish(empty, "v4")
    assert shown(scene) == ["v1", "v2", "v3", "v4"]
    assert await empty.states() == ["published"] * 3


async def test_a_held_file_that_was_published_with_another_content_is_adopted_by_its_content(
    scene: Scene,
) -> None:
    scene.on_edit = OnEdit.NEW
    await see(scene, "v2")
    async with scene.database.begin() as transaction:
        await transaction.execute(update(rows_of_publications).values(state="held", reason="many"))
        account = await accounts.meet(
            transaction,
            NamedAccount(Vendor.DESTINATION, "1", "x"),
            credential=None,
            now=scene.clock(),
        )
        seen = [
            Sighting(ActivityId(id_), marker, DealId(7), None, content_tag_of(blob(content)))
            for id_, marker, content in (
                (500, marker_of(GIST, NAME), "v1"),
                (501, marker_of_content(GIST, NAME, blob("v2")), "v2"),
            )
        ]
        await markers.take_in(transaction, account.key, seen, scene.clock(), on_edit=OnEdit.NEW)
    [row] = await scene.rows()
    assert (row.state.value, row.activity_id) == ("published", 501)
