"""A comparison with Pipedrive reads a list of many pages, of which some can't be read."""

from datetime import timedelta

import pytest

from gitpip_standins import Fault
from tests.publish.test_comparison import HOUR, fail_on_page, lists, names
from tests.support.scene import Scene

pytestmark = pytest.mark.long

FAILING = (Fault.drop(), Fault.cut(), Fault.error(), Fault.html(502), Fault.broken_json())


async def test_a_limit_does_not_begin_a_long_list_anew(scene: Scene) -> None:
    for number in range(1_200):
        scene.crm.add_activity(f"call number {number}")
    await scene.find_files("ada", "a.py")
    limit = Fault.limited({"x-ratelimit-reset": "30"})
    process = await scene.process()
    scene.crm.faults.script(limit, method="GET", path="activities$", about="cursor")
    await process.run()
    assert await scene.states() == ["pending"]
    await scene.settle(process)
    assert lists(scene.crm) == 1 + 1 + 2
    assert await scene.states() == ["published"]


async def test_pages_that_fail_do_not_begin_a_long_list_anew(scene: Scene) -> None:
    """Else a list of nine pages, of which every other one fails, would hardly ever be read."""
    for number in range(4_200):
        scene.crm.add_activity(f"call number {number}")
    await scene.find_files("ada", "a.py")
    scene.crm.faults.chance(
        0.5, FAILING, seed=1, method="GET", path="activities$", about="sort_by=id"
    )
    process = await scene.process()
    pauses = []
    while await scene.states() == ["pending"]:
        await process.run()
        if pause := await scene.pause():
            pauses.append(pause.until - scene.clock())
        await scene.wake()
    assert 9 < lists(scene.crm) <= 4 * 9
    # Each page that was read ends the trouble.
    assert max(pauses) <= timedelta(seconds=10)


async def test_a_comparison_that_was_cut_short_is_made_whole(scene: Scene, empty: Scene) -> None:
    await scene.find_files("ada", *names("old", 2))
    await scene.settle(await scene.process())
    scene.clock.advance(HOUR)
    for number in range(600):
        scene.crm.add_activity(f"call number {number}")
    scene.clock.advance(HOUR)
    await scene.find_files("bob", "new.py")
    await scene.settle(await scene.process())
    scene.clock.advance(HOUR)

    await empty.find_files("ada", *names("old", 2))
    await empty.find_files("bob", "new.py")
    fail_on_page(2, scene.crm)
    process = await empty.process()
    await process.run()
    assert await empty.pause() is not None
    # What was adopted before the failure is no sign that the rest is known.
    assert await empty.states() == ["pending", "pending", "published"]
    await empty.settle(await empty.process())
    assert await empty.states() == ["published"] * 3
    assert len(scene.crm.activities) == 3 + 600


@pytest.mark.parametrize("page", [2, 3])
async def test_what_another_installation_sent_is_adopted_after_a_comparison_was_cut_short(
    scene: Scene, empty: Scene, page: int
) -> None:
    """Below the ledger's last activity, too."""
    process = await empty.process()
    await empty.find_files("bob", "first.py")
    await empty.settle(process)
    await scene.find_files("ada", "w.py", number=11)
    await scene.settle(await scene.process())
    scene.clock.advance(HOUR)
    for call in range(600):
        scene.crm.add_activity(f"call number {call}")
    await scene.find_files("ada", "x.py", number=12)
    await scene.settle(await scene.process())
    scene.clock.advance(HOUR)
    # Nothing is compared before this one is sent.
    await empty.find_files("bob", "second.py")
    scene.crm.faults.chance(
        1, FAILING, seed=1, method="GET", path="activities$", about="sort_by=id"
    )
    await empty.settle(process)
    scene.crm.faults.clear()
    assert await empty.states() == ["published"] * 2
    for call in range(600):
        scene.crm.add_activity(f"call number {call}")
    await scene.find_files("ada", "y.py", number=13)
    await scene.settle(await scene.process())
    scene.clock.advance(HOUR)

    for number, filename in ((11, "w.py"), (12, "x.py"), (13, "y.py")):
        await empty.find_files("ada", filename, number=number)
    fail_on_page(page, scene.crm)
    await (await empty.process()).run()
    assert await empty.pause() is not None
    await empty.settle(await empty.process())
    assert await empty.states() == ["published"] * 5
    assert len(scene.crm.activities) == 600 + 600 + 5
