"""What is to be sent again waits ever longer while Pipedrive does not show whether it arrived."""

from datetime import timedelta

import pytest
from sqlalchemy import Table, update

from gitpip.status import publishing
from gitpip.status.problem import ProblemKind
from gitpip.store.schema import deals, publications
from gitpip_standins import Fault
from tests.support.scene import Scene

TWO_DAYS = timedelta(days=2)


@pytest.mark.parametrize(
    ("rows", "path"), [(publications, "activities$"), (deals, "deals$")], ids=["files", "deals"]
)
async def test_what_can_not_be_looked_for_is_asked_for_ever_less_often(
    scene: Scene, rows: Table, path: str
) -> None:
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path=path)
    await scene.find_files("ada", "a.py")
    process = await scene.process()
    await process.run()
    long_ago = scene.clock() - timedelta(minutes=10)
    async with scene.database.begin() as transaction:
        # As after a look in vain, and a stop of the process right after it.
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
