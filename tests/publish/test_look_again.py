"""What is to be sent again waits ever longer while Pipedrive does not show whether it arrived."""

from datetime import timedelta

import pytest
from sqlalchemy import Table, update

from gitpip.model import PublicationState
from gitpip.publish.delivery import ABSENCE
from gitpip.status import publishing
from gitpip.status.problem import ProblemKind
from gitpip.store.schema import deals, publications
from gitpip_standins import Fault
from tests.publish.test_any_moment import switch_to
from tests.support.scene import Scene

pytestmark = pytest.mark.long

TWO_DAYS = timedelta(days=2)


@pytest.mark.parametrize(
    ("rows", "path"), [(publications, "activities$"), (deals, "deals$")], ids=["files", "deals"]
)
async def test_failing_searches_become_ever_rarer(scene: Scene, rows: Table, path: str) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path=path)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    long_ago = scene.clock() - timedelta(minutes=10)
    async with scene.database.begin() as transaction:
        # As after a look that found nothing, and a stop of the process right after it.
        await transaction.execute(
            update(rows).values(state="pending", looked_at=long_ago, due_at=scene.clock())
        )
    scene.crm.faults.script(Fault.error(500), method="GET", path=path, times=None)
    asked, started = len(scene.crm.requests), scene.clock()
    while scene.clock() - started < TWO_DAYS:
        await process.run()
        assert await scene.wake()
    assert len(scene.crm.requests) - asked < 80
    async with scene.database.read() as transaction:
        found = await publishing.problems(
            transaction,
            scene.clock() - timedelta(seconds=1),
            request_timeout=TWO_DAYS,
            goes_on=True,
        )
    kinds = {problem.kind: problem.sentence for problem in found}
    kind = ProblemKind.DEALS_DELAYED if rows is deals else ProblemKind.PUBLICATIONS_NOT_LOOKED_FOR
    assert "Pipedrive answered 500" in kinds[kind]

    scene.crm.faults.clear()
    await scene.settle(process)

    await scene.assert_each_is_there_once()


@pytest.mark.parametrize("others", [0, 1_001], ids=["few", "more than two pages"])
async def test_what_may_have_been_sent_is_looked_for_after_a_switch_there_and_back(
    scene: Scene, others: int
) -> None:
    """It has no deal any more, as that of the other company would be another one."""
    scene.crm.faults.script(
        Fault.lands(ABSENCE + timedelta(minutes=10)),
        # What is sent again meets a limit, and then the switches.
        Fault.limited({"x-daily-ratelimit-token-remaining": "0"}),
        method="POST",
        path="activities$",
    )
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await scene.settle_until(process, lambda _: len(scene.crm.faults.injected) == 2)
    await switch_to(scene, "2")
    assert (await scene.rows())[0].deal_id is None
    await switch_to(scene, "1")
    scene.clock.advance(timedelta(minutes=31))
    assert sum(scene.activities().values()) == 1, "it has landed"
    for number in range(others):
        scene.crm.add_activity(f"call {number}", deal_id=1)

    await scene.settle(process)

    [row] = await scene.rows()
    assert (row.state, row.activity_id, row.deal_id) == (PublicationState.PUBLISHED, 1, 1)
    assert scene.activities()[row.marker] == 1
