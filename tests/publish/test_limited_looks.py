"""A look that meets a limit of everybody waits for the end of the pause, and no longer."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import select, update

from gitpip.model import PublicationState
from gitpip.publish.deals import CLOCK_MARGIN
from gitpip.store.schema import deals, publications
from gitpip_standins import Fault
from tests.support.scene import Process, Scene

Lose = Callable[[Scene, Process, PublicationState], Awaitable[datetime]]
SECOND = timedelta(seconds=1)
RESET = 2 * SECOND
LIMITED = Fault.limited({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"})
LONG = timedelta(hours=6)
"""After a look that failed so long after the send, the next one would be due hours later."""
MANY = 60
"""Requests a day that a look which is always refused does not reach."""
STATES = pytest.mark.parametrize(
    "state", [PublicationState.UNCERTAIN, PublicationState.PENDING], ids=str
)
"""Before absence is concluded, and right before the second send."""


def after_long(scene: Scene, state: PublicationState) -> dict[str, object]:
    """Let time pass; return the columns of a row that was last looked for, if at all, before."""
    looked_at = scene.clock() if state is PublicationState.PENDING else None
    scene.clock.advance(LONG)
    return {"state": state, "looked_at": looked_at, "due_at": scene.clock()}


async def lose_file(scene: Scene, process: Process, state: PublicationState) -> datetime:
    """Have the answer of a file lost, long ago; return the time from which it is looked for."""
    await scene.find_files("ada", "known.py")
    await scene.settle(process)
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    await scene.find_files("ada", "a.py")
    await process.run()
    row = (await scene.rows())[-1]
    async with scene.database.begin() as transaction:
        await transaction.execute(
            update(publications)
            .where(publications.c.id == row.id)
            .values(**after_long(scene, state))
        )
    assert row.sent_after is not None
    return row.sent_after


async def lose_deal(scene: Scene, process: Process, state: PublicationState) -> datetime:
    """Have the answer of a deal lost, long ago; return the time from which it is looked for."""
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="deals$")
    await scene.find_files("ada", "a.py")
    await process.run()
    async with scene.database.begin() as transaction:
        sent_after = (await transaction.execute(select(deals.c.sent_after))).scalar_one()
        await transaction.execute(update(deals).values(**after_long(scene, state)))
        await transaction.execute(update(publications).values(due_at=scene.clock()))
    assert isinstance(sent_after, datetime)
    return sent_after


LOSE = pytest.mark.parametrize("lose", [lose_file, lose_deal])


async def limit_looks(
    scene: Scene, process: Process, lose: Lose, state: PublicationState, times: int | None
) -> None:
    """Have a look due, and its lists refused so often."""
    since = await lose(scene, process, state) - CLOCK_MARGIN
    about = quote(f"updated_since={since:%Y-%m-%dT%H:%M:%SZ}", safe="=")
    scene.crm.faults.script(LIMITED, method="GET", about=about, times=times)


@STATES
@LOSE
async def test_a_look_that_meets_a_limit_is_due_when_the_pause_ends(
    scene: Scene, lose: Lose, state: PublicationState
) -> None:
    process = await scene.process()
    await limit_looks(scene, process, lose, state, times=1)
    began = scene.clock()
    await process.run()
    assert await scene.pause() is not None
    await scene.settle(process)

    assert scene.clock() - began <= RESET + SECOND
    await scene.assert_each_is_there_once()


@pytest.mark.long
@STATES
@LOSE
async def test_a_look_that_alone_meets_a_limit_becomes_rare(
    scene: Scene, lose: Lose, state: PublicationState
) -> None:
    """Its answers say that the limit of all requests is used up."""
    process = await scene.process()
    await limit_looks(scene, process, lose, state, times=None)
    began, faults = scene.clock(), scene.crm.faults
    before = len(faults.injected)
    while scene.clock() - began < timedelta(days=1) and len(faults.injected) - before < MANY:
        await process.run()
        assert await scene.wake()

    assert 2 < len(faults.injected) - before < MANY
