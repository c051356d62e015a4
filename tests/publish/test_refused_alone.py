"""A file or a deal that alone meets a limit, again and again, waits longer each time, and fails."""

from datetime import timedelta

import pytest

from gitpip.publish.delivery import MAX_ATTEMPTS, ORDINARY_REFUSALS
from gitpip.status import publishing
from gitpip.status.problem import ProblemKind
from gitpip_standins import Fault
from tests.support.scene import Scene

pytestmark = pytest.mark.long

RESET = timedelta(seconds=2)
LIMITED = Fault.limited({"x-ratelimit-remaining": "9", "x-ratelimit-reset": "2"})
DAY = timedelta(days=1)


@pytest.mark.parametrize("path", ["activities$", "deals$"])
async def test_a_row_that_alone_is_refused_fails_and_delays_no_others(
    scene: Scene, path: str
) -> None:
    """The processes change: the count survives restarts."""
    await scene.find_files("ada", "old.py")
    await scene.settle(await scene.process())
    scene.crm.faults.script(LIMITED, method="POST", path=path, about="newcomer|bad", times=None)
    await scene.find_files("newcomer", "bad.py")
    started, told, pauses = scene.clock(), set[ProblemKind](), 0
    for number in range(3 * MAX_ATTEMPTS):
        await scene.find_files("ada", f"{number}.py")
        found = scene.clock()
        if number % 3 == 0:
            process = await scene.process()
        while True:
            await process.run()
            pauses += await scene.pause() is not None
            if (await scene.states())[-1] == "published":
                break
            await scene.wake()
        assert scene.clock() - found <= 2 * RESET, "others go first"
        told |= await problems(scene)
        if (await scene.states())[1] == "failed":
            break
        await scene.wake()

    bad = (await scene.rows())[1]
    assert bad.state.value == "failed"
    assert "Pipedrive answered 429" in str(bad.reason)
    assert "only this one is rejected" in str(bad.reason)
    assert scene.clock() - started > timedelta(hours=8)
    assert len(scene.crm.faults.injected) <= 1 + ORDINARY_REFUSALS + MAX_ATTEMPTS
    assert pauses <= 1 + ORDINARY_REFUSALS, "once it is known to be refused alone, nothing pauses"
    late = ProblemKind.DEALS_DELAYED if path == "deals$" else ProblemKind.PUBLICATIONS_RETRIED
    assert late in told
    assert ProblemKind.PUBLICATIONS_FAILED in told


async def problems(scene: Scene) -> set[ProblemKind]:
    async with scene.database.read() as transaction:
        found = await publishing.problems(
            transaction, scene.clock(), request_timeout=DAY, goes_on=True
        )
    return {problem.kind for problem in found}


async def test_a_limit_for_all_is_not_blamed_on_a_file(scene: Scene) -> None:
    scene.crm.faults.script(LIMITED, method="POST", path="activities$", times=6)
    await scene.find_files("ada", "a.py")
    await scene.settle(await scene.process())
    [row] = await scene.rows()
    assert (row.attempts, row.state.value) == (1, "published")
    assert len(scene.crm.faults.injected) > ORDINARY_REFUSALS
