"""One activity for each gist: its files go out together, and none of them twice."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import update

from gitpip.errors import PublicationStateError
from gitpip.model import OnEdit, PublicationState
from gitpip.publish.comparison import UNSETTLED_FOR
from gitpip.same_activity import SentWith
from gitpip.store.publications import note_updates, publications
from gitpip.store.schema import gist_files
from gitpip_standins import Fault, FaultKind
from tests.support.restores import Backup
from tests.support.scene import Process, Scene

pytestmark = pytest.mark.long

NAMES = ("a.py", "b.py", "c.py")
PASSWORD = "Xk9#vQ2mLw7pR4tz"


async def grown_up(scene: Scene, per: str = "gist") -> Process:
    """A process whose first minutes are over, as gists wait for that."""
    scene.given["activity_per"] = per
    process = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(process)
    scene.clock.advance(UNSETTLED_FOR)
    await scene.find_files("ada", "older.py")
    await scene.settle(process)
    return process


async def assert_each_file_is_there_once(scene: Scene) -> None:
    rows = await scene.rows()
    assert {row.state for row in rows} == {PublicationState.PUBLISHED}
    assert scene.activities() == Counter(row.marker for row in rows)


async def test_files_of_a_gist_are_one_activity_that_shows_them_all(scene: Scene) -> None:
    process = await grown_up(scene)
    before = len(scene.crm.activities)

    await scene.find_files("ada", *NAMES, content="print('<b>')\n")
    await scene.settle(process)

    assert len(scene.crm.activities) == before + 1
    activity = scene.crm.activities[-1]
    assert "a.py (+2 files) · ada [" in str(activity["subject"])
    for name in NAMES:
        assert f"<p><b>{name}</b></p><pre>print(&#x27;&lt;b&gt;&#x27;)" in str(activity["note"])
    first, *others = (await scene.rows())[-3:]
    assert {row.activity_id for row in (first, *others)} == {activity["id"]}
    assert {row.part_of for row in others} == {first.id}
    assert [one.filename for one in first.sent_with] == ["b.py", "c.py"]
    assert {row.sent_with for row in others} == {(SentWith(first.id, "a.py"),)}
    await assert_each_file_is_there_once(scene)


@pytest.mark.parametrize(
    "fault", [Fault.drop(), Fault.drop(processed=True), Fault.error(500, processed=True)]
)
async def test_what_a_lost_answer_left_uncertain_holds_the_same_files_later(
    scene: Scene, fault: Fault
) -> None:
    process = await grown_up(scene)
    scene.crm.faults.script(fault, method="POST", path="activities$")
    await scene.find_files("ada", *NAMES)
    await process.run()
    assert (await scene.states())[-3:] == ["uncertain"] * 3

    scene.given["activity_per"] = "file"
    await scene.settle(await scene.process())

    await assert_each_file_is_there_once(scene)
    assert len({row.activity_id for row in (await scene.rows())[-3:]}) == 1


async def test_what_a_restored_database_forgot_is_found_by_its_footer(
    scene: Scene, backup: Backup
) -> None:
    process = await grown_up(scene)
    await scene.find_files("ada", *NAMES)
    backup.make()
    await scene.settle(process)
    backup.restore()

    await scene.settle(await scene.process(), watched=True)

    await assert_each_file_is_there_once(scene)
    assert len({row.activity_id for row in (await scene.rows())[-3:]}) == 1


@pytest.mark.parametrize("per", ["file", "gist"])
async def test_files_found_anew_are_recognised(scene: Scene, backup: Backup, per: str) -> None:
    process = await grown_up(scene)
    backup.make()
    await scene.find_files("ada", *NAMES)
    await scene.settle(process)
    backup.restore()
    scene.given["activity_per"] = per
    process = await scene.process()
    await scene.settle(process)

    scene._gists -= 1
    await scene.find_files("ada", *reversed(NAMES))
    await scene.settle(process, watched=True)

    await assert_each_file_is_there_once(scene)


async def test_in_the_first_minutes_gists_wait_and_single_files_do_not(scene: Scene) -> None:
    scene.given["activity_per"] = "gist"
    process = await scene.process()
    await scene.find_files("ada", "single.py")
    await scene.find_files("ada", *NAMES)
    await process.run()
    assert await scene.states() == ["published", "pending", "pending", "pending"]
    assert "first minutes" in str((await scene.rows())[1].reason)

    scene.clock.advance(UNSETTLED_FOR + timedelta(minutes=1))
    await scene.settle(process)

    await assert_each_file_is_there_once(scene)


async def test_files_that_are_held_are_not_in_the_activity_of_the_others(scene: Scene) -> None:
    process = await grown_up(scene)
    await scene.find_files("ada", *NAMES)
    held = (await scene.rows())[-2]
    async with scene.database.begin() as transaction:
        await publications.skip(transaction, held.id, scene.clock())
    await scene.settle(process)
    assert (await scene.states())[-3:] == ["published", "skipped", "published"]

    async with scene.database.begin() as transaction:
        await publications.retry(transaction, held.id, scene.clock())
    await scene.settle(process)

    first, second, third = (await scene.rows())[-3:]
    assert first.activity_id == third.activity_id != second.activity_id
    await assert_each_file_is_there_once(scene)


async def test_what_is_left_out_of_a_file_is_left_out_of_the_others(scene: Scene) -> None:
    """In the others it may stand where it does not look like a credential."""
    process = await grown_up(scene)
    await scene.set_publishing(
        credentials="mask", note_template="{{ gist.files|join }} {{ content }}"
    )

    named = f"{PASSWORD}.py"
    contents = {"a.py": PASSWORD, "b.py": f'password = "{PASSWORD}"', named: "x = 1\n"}
    await scene.find_files("ada", *contents, content=contents)
    await scene.settle(process)

    note = str(scene.crm.activities[-1]["note"])
    assert PASSWORD not in note
    assert note.count("[removed: password]") == 4
    assert "x = 1" in note


async def test_a_refused_gist_fails_with_all_its_files_and_is_retried_with_all(
    scene: Scene,
) -> None:
    process = await grown_up(scene)
    scene.crm.faults.script(
        Fault(FaultKind.ERROR, processed=False, status=400), method="POST", path="activities$"
    )
    await scene.find_files("ada", *NAMES)
    await scene.settle(process)
    first, part, _ = (await scene.rows())[-3:]
    assert (await scene.states())[-3:] == ["failed"] * 3
    assert part.reason == first.reason
    async with scene.database.begin() as transaction:
        with pytest.raises(PublicationStateError, match=f"activity of publication {first.id}"):
            await publications.retry(transaction, part.id, scene.clock())

    async with scene.database.begin() as transaction:
        await publications.retry(transaction, first.id, scene.clock())
    await scene.settle(process)

    await assert_each_file_is_there_once(scene)
    async with scene.database.read() as transaction:
        counts = await publications.count(transaction)
    assert counts == {PublicationState.PUBLISHED: 5}


async def test_an_edit_of_a_part_writes_the_whole_note_anew(scene: Scene) -> None:
    scene.on_edit = OnEdit.UPDATE
    process = await grown_up(scene)
    await scene.find_files("ada", *NAMES)
    await scene.settle(process)
    assert str(scene.crm.activities[-1]["note"]).count("<pre>x = 1") == 3
    part = (await scene.rows())[-1]
    async with scene.database.begin() as transaction:
        of_part = gist_files.c.key == part.file_key
        await transaction.execute(update(gist_files).where(of_part).values(content="y = 2\n"))
        await note_updates.ask(transaction, part.id, scene.clock())

    await process.run()

    note = str(scene.crm.activities[-1]["note"])
    assert (note.count("<pre>x = 1"), note.count("<pre>y = 2")) == (2, 1)


async def test_other_files_are_held_if_an_edited_note_no_longer_names_them(
    scene: Scene, backup: Backup
) -> None:
    process = await grown_up(scene)
    await scene.find_files("ada", *NAMES)
    backup.make()
    await scene.settle(process)
    backup.restore()
    note = scene.crm.activities[-1]["note"]
    scene.crm.edit_activity(len(scene.crm.activities), note=f"{note}<p>a remark of ours</p>")

    await scene.settle(await scene.process())

    assert (await scene.states())[-3:] == ["published", "held", "held"]
    assert "no longer says which" in str((await scene.rows())[-1].reason)


async def test_a_file_sent_alone_in_the_first_minutes_is_mended_where_its_gist_shows_late(
    scene: Scene, backup: Backup
) -> None:
    process = await grown_up(scene)
    await scene.find_files("ada", *NAMES)
    scene.crm.list_lag = timedelta(minutes=2)
    backup.make()
    await scene.settle(process)
    backup.restore()
    scene.given["activity_per"] = "file"

    await scene.settle(await scene.process(), watched=True)

    await assert_each_file_is_there_once(scene)
