"""A database that was restored seconds ago, while Pipedrive's lists lag behind, doubles nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from gitpip.publish.comparison import UNSETTLED_FOR
from gitpip.publish.comparison_allowance import COMPARISON_MAX_AGE, COMPARISONS_IN_A_ROW
from gitpip.publish.list_lag import COMPARED_AGAIN_AFTER, ListLag
from gitpip.status import accounts
from gitpip.status.problem import ProblemKind
from gitpip.status.publishing import problems
from gitpip.store.schema_publishing import second_sends
from gitpip_standins import Fault
from tests.support.restores import Backup
from tests.support.scene import Process, Scene

pytestmark = pytest.mark.long

SECOND = timedelta(seconds=1)
LAG = timedelta(seconds=90)
LATER = COMPARISON_MAX_AGE + SECOND
START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


async def restore_while_lists_lag(
    scene: Scene, backup: Backup, login: str, lag: timedelta
) -> Process:
    """Lose the memory of a file that was published 20 s ago, with the process that sent it."""
    sender = await scene.process()
    await scene.find_files("ada", "old.py")
    await scene.settle(sender)
    scene.clock.advance(timedelta(hours=1))
    backup.make()
    scene.crm.list_lag = lag
    await scene.find_files(login, "new.py")
    await scene.settle(sender)
    sender.database.dead = True
    scene.clock.advance(timedelta(seconds=20))
    backup.restore()
    assert await scene.states() == ["published"]
    scene._gists = 1  # its gists were found before
    process = await scene.process()
    await process.publisher.take_over()
    return process


async def watched(scene: Scene) -> int:
    async with scene.database.read() as transaction:
        return len((await transaction.execute(second_sends.select())).all())


async def told(scene: Scene) -> set[ProblemKind]:
    async with scene.database.read() as transaction:
        found = await problems(
            transaction, scene.clock(), request_timeout=scene.timeout, goes_on=True
        )
    return {problem.kind for problem in found}


async def test_a_file_that_no_list_showed_yet_is_there_once_in_the_end(
    scene: Scene, backup: Backup
) -> None:
    process = await restore_while_lists_lag(scene, backup, "ada", LAG)
    await scene.find_files("ada", "new.py")
    await scene.settle(process)
    assert max(scene.activities().values()) == len({"the first", "the second"})
    await scene.settle(process, watched=True)
    assert ProblemKind.DOUBLES_DELETED in await told(scene)
    await scene.assert_each_is_there_once()


async def is_doubted(scene: Scene) -> bool:
    async with scene.database.read() as transaction:
        found = await accounts.contents(transaction, scene.clock())
    return ProblemKind.FIRST_SENDS_COMPARED in {problem.kind for problem in found}


async def test_what_is_sent_first_is_told_where_something_unknown_is_there(
    scene: Scene, backup: Backup
) -> None:
    process = await restore_while_lists_lag(scene, backup, "bob", timedelta(0))
    await scene.find_files("ada", "later.py")
    await scene.settle(process)
    assert await watched(scene)
    assert await is_doubted(scene)
    await scene.settle(process, watched=True)
    assert not await is_doubted(scene)


async def test_what_is_sent_first_is_not_told_after_an_ordinary_start(scene: Scene) -> None:
    await scene.find_files("ada", "a.py")
    await scene.settle(await scene.process())
    await scene.find_files("ada", "b.py")
    await scene.settle(await scene.process())
    assert await watched(scene)
    assert not await is_doubted(scene)


async def test_a_deal_that_no_list_showed_yet_is_told(scene: Scene, backup: Backup) -> None:
    process = await restore_while_lists_lag(scene, backup, "bob", LAG)
    await scene.find_files("bob", "new.py")
    await scene.settle(process, watched=True)
    assert scene.deals() == {"ada": 1, "bob": 2}
    assert ProblemKind.DEALS_DOUBLED in await told(scene)
    assert set(scene.activities().values()) == {1}


async def test_what_comes_after_the_first_minutes_is_compared_with_them(
    scene: Scene, backup: Backup
) -> None:
    """One comparison more, also where none is left of the allowance."""
    process = await restore_while_lists_lag(scene, backup, "ada", UNSETTLED_FOR - SECOND)
    await publish_until_nothing_is_left_of_the_allowance(scene, process)
    scene.clock.advance(UNSETTLED_FOR)
    scene._gists = 1
    await scene.find_files("ada", "new.py")
    before = await watched(scene)
    await process.run()
    await scene.assert_each_is_there_once()

    await scene.find_files("ada", "later.py")
    asked = len(scene.crm.requests)
    await process.run()
    assert [request.method for request in scene.crm.requests[asked:]] == ["POST"]
    assert await watched(scene) == before


async def publish_until_nothing_is_left_of_the_allowance(scene: Scene, process: Process) -> None:
    scene._gists = 100
    for number in range(COMPARISONS_IN_A_ROW + 2):
        await scene.find_files("ada", f"{number}.py")
        await process.run()
        scene.clock.advance(LATER)


async def test_a_comparison_that_fails_then_holds_nothing_up(scene: Scene, backup: Backup) -> None:
    process = await restore_while_lists_lag(scene, backup, "ada", LAG)
    await publish_until_nothing_is_left_of_the_allowance(scene, process)
    scene.clock.advance(UNSETTLED_FOR)
    scene.crm.faults.script(
        Fault.error(500), method="GET", path="activities$", about="sort_by=id", times=None
    )
    before = await watched(scene)
    for name in ("a.py", "b.py"):
        await scene.find_files("ada", name)
        await process.run()
    assert set(await scene.states()) == {"published"}
    assert await watched(scene) == before + 2
    scene.crm.faults.clear()


def test_only_pipedrives_time_ends_it() -> None:
    list_lag, ours = ListLag(), START + timedelta(days=2)
    list_lag.compared(None, ours, first=True)
    list_lag.compared(START, ours + SECOND, first=False)
    list_lag.compared(START + UNSETTLED_FOR - SECOND, ours + timedelta(days=1), first=False)
    assert list_lag.lasts
    list_lag.compared(None, ours + timedelta(days=1), first=False)
    assert list_lag.lasts
    list_lag.compared(START + UNSETTLED_FOR, ours, first=False)
    assert not list_lag.lasts
    list_lag.compared(START + 2 * UNSETTLED_FOR, ours + UNSETTLED_FOR, first=False)
    assert not list_lag.lasts


@pytest.mark.parametrize("at", [None, START])
def test_each_first_comparison_begins_it(at: datetime | None) -> None:
    list_lag = ListLag()
    list_lag.compared(START - UNSETTLED_FOR, START - UNSETTLED_FOR, first=True)
    list_lag.compared(START, START, first=False)
    assert not list_lag.lasts
    list_lag.compared(at, START, first=True)
    assert list_lag.lasts


@pytest.mark.parametrize("step", [timedelta(0), -timedelta(days=2), timedelta(days=2)])
def test_the_comparison_that_ends_it_is_due_once_a_minute(step: timedelta) -> None:
    list_lag = ListLag()
    assert not list_lag.is_due(START)
    list_lag.compared(START, START, first=True)
    assert not list_lag.is_due(START + SECOND)
    assert not list_lag.is_due(START + UNSETTLED_FOR - SECOND)
    now = START + UNSETTLED_FOR + step
    assert list_lag.is_due(now)
    list_lag.put_off(now)
    assert not list_lag.is_due(now)
    assert not list_lag.is_due(now + COMPARED_AGAIN_AFTER - SECOND)
    assert list_lag.is_due(now + COMPARED_AGAIN_AFTER)
    list_lag.compared(START + UNSETTLED_FOR, now, first=False)
    assert not list_lag.is_due(now + COMPARED_AGAIN_AFTER)
