"""A standstill is told when due work is not done though nothing outside holds it up."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import Executable, insert

from gitpip.model import PauseCause
from gitpip.modes import PublishingMode
from gitpip.runtime.stalled_work import Stalls
from gitpip.store.database import Transaction
from gitpip.store.schema import checks, publications, users
from gitpip.store.schema_status import pauses, publishing_pause
from tests.status.conftest import JUST_NOW, LONG_AGO, NOW, Rows

PATIENCE = timedelta(minutes=3)
STEP = 60.0  # seconds from one look to the next
DUE = {
    "watching": users.update().values(next_check_at=LONG_AGO),
    "publishing": publications.update().values(state="pending", due_at=LONG_AGO),
}
CLAIMED = {
    "watching": users.update().values(claimed_by="x", claimed_until=NOW + timedelta(seconds=9)),
    "publishing": publications.update().values(token="x", lease_until=NOW + timedelta(seconds=9)),
}
DONE = {
    "watching": insert(checks).values(requested_at=JUST_NOW, users=1, failed=1),
    "publishing": publications.update().where(publications.c.id == 1).values(attempts=2),
}


@dataclass
class Watch:
    """Looks at the rows as often as told, by a clock of its own."""

    rows: Rows
    token: bool = True
    mode: PublishingMode = PublishingMode.AUTOMATIC
    seconds: float = 0.0
    stalls: Stalls = field(init=False)

    def __post_init__(self) -> None:
        self.stalls = Stalls(
            self.rows.database,
            publishes=lambda: self.token,
            mode=self._mode,
            monotonic=lambda: self.seconds,
            now=lambda: NOW,
        )

    async def _mode(self, transaction: Transaction) -> PublishingMode:
        return self.mode

    async def look(self, times: int = 1) -> list[str]:
        """The parts that stand still, after so many more looks."""
        for _ in range(times):
            self.seconds += STEP
            await self.stalls.look()
        return [ailment.split()[0] for ailment in self.stalls.health_problems(PATIENCE)]


def paused(part: str, cause: PauseCause) -> Executable:
    later = NOW + timedelta(hours=1)
    return insert(pauses).values(name=part, until=later, reason="why", cause=cause)


@pytest.mark.parametrize("part", DUE)
async def test_due_work_that_nobody_does_is_named_until_a_step_is_done(
    rows: Rows, part: str
) -> None:
    watch = Watch(rows)
    assert await watch.look(9) == []
    await rows.execute(DUE[part])
    assert await watch.look(4) == []
    assert await watch.look() == [part]
    assert watch.stalls.health_problems(PATIENCE)[0].startswith(
        f"{part} has made no progress for 240 s, though "
    )

    await rows.execute(DONE[part])
    assert await watch.look(4) == []
    assert await watch.look() == [part]


@pytest.mark.parametrize("part", DUE)
async def test_while_work_is_claimed_it_is_under_way(rows: Rows, part: str) -> None:
    watch = Watch(rows)
    await rows.execute(DUE[part], CLAIMED[part])
    assert await watch.look(9) == []


@pytest.mark.parametrize("part", DUE)
@pytest.mark.parametrize("cause", PauseCause)
async def test_a_pause_excuses_unless_it_is_of_gitpips_own_making(
    rows: Rows, part: str, cause: PauseCause
) -> None:
    watch = Watch(rows)
    await rows.execute(DUE[part], paused(part, cause))
    assert await watch.look(9) == ([part] if cause is PauseCause.FAULT else [])
    await rows.execute(pauses.delete())
    assert await watch.look(3) == ([part] if cause is PauseCause.FAULT else [])


KEPT_BACK = {
    "a person's pause": insert(publishing_pause).values(
        id=1, until=None, reason="", paused_by="eve", since=LONG_AGO
    ),
    "a user in a dry run": users.update().values(publishing_mode="dry-run"),
    "a paused user": users.update().values(state="paused"),
}


@pytest.mark.parametrize("why", KEPT_BACK)
async def test_files_that_a_person_holds_back_are_no_stall(rows: Rows, why: str) -> None:
    watch = Watch(rows)
    await rows.execute(DUE["publishing"], KEPT_BACK[why])
    assert await watch.look(9) == []


async def test_nothing_stands_still_in_a_dry_run(rows: Rows) -> None:
    watch = Watch(rows, mode=PublishingMode.DRY_RUN)
    await rows.execute(DUE["publishing"])
    assert await watch.look(9) == []
    watch.mode = PublishingMode.AUTOMATIC
    assert await watch.look(5) == ["publishing"]


async def test_without_a_token_nothing_is_to_be_published(rows: Rows) -> None:
    watch = Watch(rows, token=False)
    await rows.execute(DUE["publishing"])
    assert await watch.look(9) == []
