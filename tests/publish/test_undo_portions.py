"""Many files that an undo withdraws before they are sent: in portions, also if it is killed."""

from collections import Counter
from dataclasses import replace

import pytest

from gitpip.actions import undo as actions
from gitpip.actions.undo import What
from gitpip.store.publications import undone, undos
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_undo import UndoneState
from tests.publish.test_undo import acting, carry_out, undo
from tests.support.happened import happened
from tests.support.mortal_database import Killed, MortalDatabase
from tests.support.scene import Scene


async def undo_killed_after_a_portion(scene: Scene) -> None:
    """Undo all of ada, and die before the second portion."""
    mortal = MortalDatabase(scene.url, scene.clock)
    mortal.dies = mortal.in_moments(3)
    with pytest.raises(Killed):
        await actions.undo(replace(acting(scene), database=mortal), What(login="ada"))
    await mortal.close()


async def test_many_that_wait_are_withdrawn_in_portions(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undone, "WITHDRAWN_AT_ONCE", 2)
    await scene.find_files("ada", *(f"{number}.py" for number in range(5)))
    begun = await undo(scene, login="ada")
    assert begun.ended_at is not None
    assert begun.counts == {UndoneState.NOT_SENT: 5}
    assert await scene.states() == ["withdrawn"] * 5
    told = await happened(scene.database, EventKind.PUBLICATION_WITHDRAWN)
    assert [detail for _, _, detail in told] == [
        f"{number}.py: undone before it was sent" for number in range(5)
    ]


async def test_an_undo_that_was_killed_between_portions_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undone, "WITHDRAWN_AT_ONCE", 2)
    process = await scene.process()
    await scene.find_files("bob", "sent.py")
    await scene.settle(process)
    await scene.find_files("ada", *(f"{number}.py" for number in range(7)))
    await undo_killed_after_a_portion(scene)
    assert Counter(await scene.states()) == {"published": 1, "withdrawn": 2, "pending": 5}
    await carry_out(scene, process)
    assert Counter(await scene.states()) == {"published": 1, "withdrawn": 7}
    assert len(scene.crm.activities) == 1
    async with scene.database.read() as transaction:
        [one] = (await undos.page(transaction, offset=0, limit=9)).items
    assert one.counts == {UndoneState.NOT_SENT: 7}
    assert one.ended_at is not None


async def test_before_an_account_is_known_all_that_waits_is_withdrawn_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undone, "WITHDRAWN_AT_ONCE", 2)
    await scene.find_files("ada", *(f"{number}.py" for number in range(5)))
    await undo_killed_after_a_portion(scene)
    assert await scene.states() == ["withdrawn"] * 5
    await scene.settle(await scene.process())
    assert not scene.crm.activities


async def test_an_undo_withdraws_its_own_files_at_once_beside_one_that_was_killed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undone, "WITHDRAWN_AT_ONCE", 2)
    await scene.find_files("bob", "sent.py")
    await scene.settle(await scene.process())
    await scene.find_files("ada", *(f"{number}.py" for number in range(7)))
    await undo_killed_after_a_portion(scene)
    await scene.find_files("bob", "newer.py")
    assert (await undo(scene, 9)).ended_at is not None
    assert Counter(await scene.states()) == {"published": 1, "withdrawn": 4, "pending": 4}
