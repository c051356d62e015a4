"""If edits update notes, a note that a person may have changed is kept, and its file says why."""

from datetime import timedelta

import pytest

from gitpip.model import OnEdit
from gitpip.publish.note_updater import REASON_KEPT
from gitpip_standins import Fault
from tests.publish.test_edits import publish, see, shown
from tests.support.scene import Scene

MINUTE = timedelta(minutes=1)


async def edit_and_settle(scene: Scene, content: str) -> None:
    scene.clock.advance(MINUTE)
    await see(scene, content)
    await scene.settle(await scene.process())


async def test_a_persons_note_is_kept_and_the_file_says_so(scene: Scene) -> None:
    scene.on_edit = OnEdit.UPDATE
    await publish(scene, "v1")
    await edit_and_settle(scene, "v2")
    assert shown(scene) == ["v2"]
    scene.clock.advance(MINUTE)
    note = str(scene.crm.activities[0]["note"]).replace("v2", "a person's own words")
    scene.crm.edit_activity(1, note=note)
    await edit_and_settle(scene, "v3")

    assert scene.crm.activities[0]["note"] == note
    [row] = await scene.rows()
    assert REASON_KEPT in str(row.reason)


@pytest.mark.parametrize("processed", [False, True])
async def test_our_own_writing_is_no_persons_change(scene: Scene, processed: bool) -> None:
    scene.on_edit = OnEdit.UPDATE
    await publish(scene, "v1")
    scene.crm.faults.script(Fault.drop(processed=processed), method="PATCH", path="/activities/")
    process = await scene.process()
    for content in ("v2", "v3"):
        scene.clock.advance(MINUTE)
        await see(scene, content)
        await process.run()
    scene.clock.advance(MINUTE)
    await process.run()

    assert shown(scene) == ["v3"]
    [row] = await scene.rows()
    assert row.reason is None
