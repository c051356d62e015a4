"""What was put off while a clock was ahead goes on once the clock is right."""

from datetime import timedelta

from sqlalchemy import update

from gitpip.publish import delivery
from gitpip.publish.comparison import UNSETTLED_FOR
from gitpip.status import accounts
from gitpip.status.problem import ProblemKind
from gitpip.store import ledger
from gitpip.store.publications import second_sends
from gitpip.store.schema import publications
from gitpip.store.status import future_times
from tests.support.scene import Scene

TWO_DAYS = timedelta(days=2)
INTERVAL = timedelta(minutes=10)


def test_the_longest_waits_are_those_of_publishing() -> None:
    grid = delivery.LOOK_GRIDS[0][1]
    assert (
        delivery.LONGEST_SEND_RETRY + delivery.ABSENCE + grid <= future_times.LONGEST_STORED_RETRY
    )
    assert max(second_sends.WATCHED) + second_sends.GRID == future_times.LONGEST_WATCH
    assert future_times.LONGEST_HOLD == UNSETTLED_FOR


async def test_times_of_publishing_are_set_back(scene: Scene) -> None:
    await scene.find_files("ada", "late.py", "retried.py")
    now = scene.clock()
    at = {"late.py": now + TWO_DAYS, "retried.py": now + delivery.LONGEST_SEND_RETRY}
    rows = {row.filename: row.id for row in await scene.rows()}
    async with scene.database.begin() as transaction:
        for name, due_at in at.items():
            await transaction.execute(
                update(publications).where(publications.c.id == rows[name]).values(due_at=due_at)
            )
        await ledger.lock(transaction)
        await ledger.note(transaction, hold_until=now + TWO_DAYS, acknowledged_at=now + TWO_DAYS)
        assert await future_times.any_too_late(transaction, now=now, interval=INTERVAL)
        await future_times.set_back(transaction, now=now, interval=INTERVAL)
        assert not await future_times.any_too_late(transaction, now=now, interval=INTERVAL)
        [told] = await accounts.clocks(transaction, now)
        assert told.kind is ProblemKind.CLOCK_WAS_WRONG
        # What the hold waits for may still be on its way.
        state = await ledger.read(transaction)
        assert (state.hold_until, state.acknowledged_at) == (now + UNSETTLED_FOR, now)
    due = {row.filename: row.due_at for row in await scene.rows()}
    assert due == {**at, "late.py": now}
    scene.clock.advance(UNSETTLED_FOR + timedelta(seconds=1))
    await (await scene.process()).run()
    assert sorted(await scene.states()) == ["pending", "published"]
