"""While no file can be examined for credentials, all of them wait; no person is asked."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitpip.backfill import Backfill
from gitpip.model import OnEdit, Pause
from gitpip.publish.credentials.detector import DETECTOR
from gitpip.publish.detector_pause import FIRST_DETECTOR_WAIT, LONGEST_DETECTOR_WAIT
from gitpip.store.publications import held
from gitpip.store.schema_events import EventKind
from gitpip.store.status import pauses
from tests.publish.test_edits import see, shown
from tests.publish.test_modes import writes
from tests.support.detectors import program
from tests.support.happened import happened
from tests.support.scene import Scene

Detect = Callable[[bool], None]


@pytest.fixture
def detector_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Detect]:
    """Lets the detector of this process fail for every file, or work again."""
    working = DETECTOR._program

    def set_to(works: bool) -> None:
        broken = program(tmp_path, "sys.exit()", sample="sys.exit()")
        monkeypatch.setattr(DETECTOR, "_program", working if works else broken)
        DETECTOR.close()

    yield set_to
    set_to(True)


async def pause(scene: Scene) -> Pause | None:
    async with scene.database.read() as transaction:
        return await pauses.paused(transaction, pauses.EXAMINING, scene.clock())


@pytest.mark.parametrize("guard", ["hold", "mask"])
async def test_all_wait_and_it_is_tried_later_and_later_until_it_works(
    scene: Scene, detector_works: Detect, tmp_path: Path, guard: str
) -> None:
    scene.given = {"credentials": guard}
    detector_works(False)
    await scene.find_files("ada", "a.py", "b.py", content=str(tmp_path))
    await scene.find_files("bob", "c.py", content=f"{tmp_path} too", held_because="a flood")
    async with scene.database.begin() as transaction:
        await held.answer(transaction, "bob", Backfill.parse("all"), now=scene.clock(), by="eve")
    process = await scene.process()
    waits = []
    for _ in range(8):
        assert await process.publisher.due()
        await process.run()
        paused = await pause(scene)
        assert paused is not None
        assert "no file can be examined" in paused.reason
        assert await scene.states() == ["pending"] * 3
        assert not await process.publisher.due()
        waits.append(paused.until - scene.clock())
        scene.clock.now = paused.until
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST_DETECTOR_WAIT, LONGEST_DETECTOR_WAIT)
    assert len(set(waits)) > 4
    assert writes(scene) == []
    detector_works(True)
    await scene.settle(process)
    await scene.assert_each_is_there_once()
    assert await pause(scene) is None
    assert {row.attempts for row in await scene.rows()} == {1}
    told = await happened(scene.database, EventKind.EXAMINING_PAUSED, EventKind.EXAMINING_RESUMED)
    assert [kind for kind, *_ in told] == ["examining.paused", "examining.resumed"]


async def test_a_new_process_and_another_setting_do_not_wait_for_the_next_try(
    scene: Scene, detector_works: Detect, tmp_path: Path
) -> None:
    detector_works(False)
    await scene.find_files("ada", "a.py", content=str(tmp_path))
    await (await scene.process()).run()
    assert await pause(scene) is not None
    detector_works(True)
    await scene.settle(await scene.process())
    assert (await scene.states(), await pause(scene)) == (["published"], None)
    detector_works(False)
    await scene.find_files("ada", "b.py", content=f"{tmp_path} b")
    process = await scene.process()
    await process.run()
    assert not await process.publisher.due()
    await scene.set_publishing(credentials="publish")
    assert await process.publisher.due()
    await process.run()
    assert (await scene.states(), await pause(scene)) == (["published"] * 2, None)


async def test_a_note_is_not_written_anew_without_its_file(
    scene: Scene, detector_works: Detect, tmp_path: Path
) -> None:
    scene.on_edit = OnEdit.UPDATE
    process = await scene.process()
    await see(scene, f"v1 {tmp_path}")
    await scene.settle(process)
    detector_works(False)
    await see(scene, f"v2 {tmp_path}")
    await process.run()
    assert shown(scene) == [f"v1 {tmp_path}"]
    assert not await process.publisher.due()
    detector_works(True)
    scene.clock.advance(FIRST_DETECTOR_WAIT + timedelta(seconds=1))
    await process.run()
    assert shown(scene) == [f"v2 {tmp_path}"]
