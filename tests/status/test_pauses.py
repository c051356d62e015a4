"""Trying now ends a pause once, audited; what GitHub asked for is kept."""

import asyncio
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import insert, select, text

from gitpip.actions.acting import Acting
from gitpip.actions.publishing import pause_publishing, resume_publishing
from gitpip.actions.try_now import try_now
from gitpip.errors import PauseKept
from gitpip.model import Pause, PauseCause, UserState
from gitpip.status.problem import ProblemKind
from gitpip.store import events
from gitpip.store.access import audit_log
from gitpip.store.access.audit_log import Actor
from gitpip.store.database import Database, open_database
from gitpip.store.events import EventsWanted
from gitpip.store.schema import deals, publications, users
from gitpip.store.schema_access import Via
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_status import pauses as pause_rows
from gitpip.store.status import pauses, publishing_pause
from gitpip.store.users.users import find
from tests.status.conftest import NOW, Rows
from tests.support.happened import happened
from tests.support.scene import wake_nobody

SOURCE = Path(__file__).parents[2] / "src" / "gitpip"
SOON, LATER = NOW + timedelta(minutes=30), NOW + timedelta(hours=2)
REFUSED_FOR = {
    "watching": PauseCause.RATE_LIMIT,
    "sweeping": PauseCause.RATE_LIMIT,
    "reading": PauseCause.RATE_LIMIT,
}


async def pause(rows: Rows, name: str, cause: PauseCause) -> None:
    await rows.execute(insert(pause_rows).values(name=name, until=SOON, reason="why", cause=cause))


async def stop(rows: Rows, name: str, now: datetime, until: datetime) -> None:
    """What gitpip does when a vendor refuses."""
    async with rows.database.begin() as transaction:
        await pauses.pause(transaction, name, Pause(until, "why"), now=now)


async def kinds(rows: Rows) -> list[str]:
    told = await happened(rows.database)
    return [kind for kind, *_ in told if not kind.startswith("user.")]


async def tried(rows: Rows, *names: str) -> tuple[Collection[str], list[tuple[str, str]]]:
    """What was ended, and what the audit was given."""
    async with rows.database.read() as transaction:
        before = (await audit_log.page(transaction, offset=0, limit=100)).total
    tried = await try_now(_acting(rows), names)
    async with rows.database.read() as transaction:
        page = await audit_log.page(transaction, offset=0, limit=100)
    audited = [(entry.action, entry.subject) for entry in page.items[: page.total - before]]
    return tried.ended, audited


def _acting(rows: Rows) -> Acting:
    return Acting(rows.database, Actor("eve", Via.API), wake_nobody, lambda: NOW)


async def test_a_pause_ends_and_what_it_put_off_is_due(rows: Rows) -> None:
    await pause(rows, "publishing", PauseCause.VENDOR)
    await rows.execute(
        publications.update().where(publications.c.id == 1).values(state="pending", due_at=SOON),
        publications.update().where(publications.c.id == 2).values(state="pending", due_at=LATER),
        insert(deals).values(user_key=1, state="pending", due_at=SOON),
    )

    ended, audited = await tried(rows, "publishing")
    again, not_audited = await tried(rows, "publishing")

    assert (ended, audited) == (("publishing",), [("pause.ended", "publishing")])
    assert (again, not_audited) == ((), [])
    async with rows.database.read() as transaction:
        due = select(publications.c.due_at).order_by(publications.c.id)
        assert list((await transaction.execute(due)).scalars()) == [NOW, LATER]
        assert await transaction.scalar(select(deals.c.due_at)) == NOW


async def test_a_person_pauses_publishing_once_until_something_is_said_anew(rows: Rows) -> None:
    for until, by in (("", "eve"), ("", "bob"), ("2026-05-05", "bob"), ("2026-05-05", "eve")):
        acting = replace(_acting(rows), actor=Actor(by, Via.API))
        pause = await pause_publishing(acting, until=until, reason="a fair")
    assert (pause.paused_by, pause.since) == ("bob", NOW)
    async with rows.database.read() as transaction:
        page = await audit_log.page(transaction, offset=0, limit=9)
    assert [(entry.actor, entry.subject) for entry in page.items] == [
        ("bob", "until 2026-05-05 00:00 UTC: a fair"),
        ("eve", "until it is resumed: a fair"),
    ]


@pytest.mark.parametrize("name", get_args(pauses.Pausable))
async def test_each_part_that_can_be_paused_tells_its_pause_and_its_end(
    rows: Rows, name: str
) -> None:
    assert name in pauses.PAUSABLE
    async with rows.database.begin() as transaction:
        await pauses.pause(transaction, name, Pause(SOON, "why"), now=NOW)
        await pauses.resume(transaction, name, NOW)
    assert await kinds(rows) == [f"{name}.paused", f"{name}.resumed"]


async def test_each_pause_has_kinds_of_events_of_its_own(rows: Rows) -> None:
    async with rows.database.begin() as transaction:
        for name in pauses.PAUSABLE:
            await pauses.pause(transaction, name, Pause(SOON, "why"), now=NOW)
            await pauses.resume(transaction, name, NOW)
    assert await kinds(rows) == [
        EventKind.WATCHING_PAUSED,
        EventKind.WATCHING_RESUMED,
        EventKind.SWEEPING_PAUSED,
        EventKind.SWEEPING_RESUMED,
        EventKind.READING_PAUSED,
        EventKind.READING_RESUMED,
        EventKind.PUBLISHING_PAUSED,
        EventKind.PUBLISHING_RESUMED,
        EventKind.EXAMINING_PAUSED,
        EventKind.EXAMINING_RESUMED,
    ]


@pytest.mark.parametrize("name", pauses.PAUSABLE)
async def test_the_end_by_a_person_is_told_at_once_and_once(rows: Rows, name: str) -> None:
    paused, resumed = f"{name}.paused", f"{name}.resumed"
    await stop(rows, name, NOW, SOON)
    assert (await tried(rows, name))[0] == (name,)
    assert await kinds(rows) == [paused, resumed]
    assert (await tried(rows, name))[0] == ()
    # The request that follows is refused, which begins another pause.
    await stop(rows, name, NOW, SOON)
    assert await kinds(rows) == [paused, resumed, paused]
    assert (await tried(rows, name))[0] == (name,)
    # The request that follows succeeds.
    async with rows.database.begin() as transaction:
        await pauses.clear_pause(transaction, name, NOW)
        await pauses.tell_over(transaction, LATER)
    assert await kinds(rows) == [paused, resumed] * 2


async def test_a_pause_whose_time_passes_is_told_to_be_over_once(rows: Rows) -> None:
    async def look(now: datetime) -> bool:
        async with rows.database.begin() as transaction:
            over = await pauses.any_over(transaction, now)
            await pauses.tell_over(transaction, now)
        return over

    paused, resumed = "publishing.paused", "publishing.resumed"
    await stop(rows, "publishing", NOW, SOON)
    # As long as a pause that follows would continue this one, its end is not told.
    soon_after = SOON + pauses.CONTINUED_WITHIN - timedelta(seconds=1)
    assert not await look(soon_after)
    await stop(rows, "publishing", soon_after, LATER)
    assert await kinds(rows) == [paused]
    assert await look(LATER + pauses.CONTINUED_WITHIN)
    assert not await look(LATER + pauses.CONTINUED_WITHIN)
    assert await kinds(rows) == [paused, resumed]
    # Where nothing has looked, the next pause tells the end of the one before.
    for days in (1, 2):
        day = timedelta(days=days)
        await stop(rows, "publishing", NOW + day, SOON + day)
    assert await kinds(rows) == [paused, resumed] * 2 + [paused]


async def test_a_persons_pause_whose_time_passes_is_told_to_be_over_once(rows: Rows) -> None:
    paused, resumed = "publishing.paused", "publishing.resumed"
    first = replace(_acting(rows), clock=lambda: NOW)
    second = replace(_acting(rows), clock=lambda: LATER)
    third = replace(_acting(rows), clock=lambda: LATER + timedelta(days=1))
    await pause_publishing(first, until="2026-05-04T13:00")
    async with rows.database.begin() as transaction:
        assert not await publishing_pause.any_over(transaction, SOON)
        assert await publishing_pause.any_over(transaction, LATER)
        await publishing_pause.tell_over(transaction, LATER)
        assert not await publishing_pause.any_over(transaction, LATER)
        # The clock may have been wrong.
        assert await publishing_pause.current(transaction, NOW)
    assert await kinds(rows) == [paused, resumed]
    # Where nothing has looked, what follows tells it.
    await pause_publishing(second, until="2026-05-04T15:00")
    await pause_publishing(third, until="2026-05-06T15:00")
    assert await kinds(rows) == [paused, resumed] * 2 + [paused]
    assert await resume_publishing(replace(first, clock=lambda: LATER + timedelta(days=9))) is None
    assert await kinds(rows) == [paused, resumed] * 3


def test_the_names_of_pauses_are_declared_in_one_place() -> None:
    name = re.compile(r"\"(sweeping|reading|examining)\"")  # the others also name something else
    places = [path for path in SOURCE.rglob("*.py") if name.search(path.read_text())]
    assert places == [SOURCE / "store" / "status" / "pauses.py"]


@pytest.mark.parametrize("name", pauses.PAUSABLE)
@pytest.mark.parametrize("cause", PauseCause)
async def test_only_what_github_asked_for_is_kept(rows: Rows, name: str, cause: PauseCause) -> None:
    await pause(rows, name, cause)
    if REFUSED_FOR.get(name) is not cause:
        assert await tried(rows, name) == ((name,), [("pause.ended", name)])
        assert (await rows.condition()).pauses == {}
        return
    with pytest.raises(
        PauseKept, match=f"^{name} is paused until 2026-05-04 12:30 UTC because GitHub asked"
    ):
        await tried(rows, name)
    assert set((await rows.condition()).pauses) == {name}
    await pause(rows, "publishing", PauseCause.VENDOR)
    assert (await tried(rows, *pauses.PAUSABLE))[0] == ("publishing",)


async def test_work_that_waits_for_a_pause_names_that_pause(rows: Rows) -> None:
    async def reason(name: str) -> str | None:
        return (await try_now(_acting(rows), (name,))).reason

    assert await reason("watching") == "watching is not paused."
    await pause(rows, "reading", PauseCause.FAULT)
    assert await reason("watching") == (
        "watching itself is not paused; reading is, until 2026-05-04 12:30 UTC: gitpip try-now "
        "reading"
    )
    assert await reason("publishing") == "publishing is not paused."


async def test_users_are_said_to_be_checked_meanwhile_only_where_they_are(rows: Rows) -> None:
    async def sentences() -> str:
        return " ".join(problem.sentence for problem in (await rows.condition()).problems)

    await pause(rows, "sweeping", PauseCause.FAULT)
    assert "checked one after the other" in await sentences()
    await pause(rows, "reading", PauseCause.FAULT)
    assert "checked one after the other" not in await sentences()


async def test_no_next_try_is_told_of_what_a_mode_or_a_pause_keeps_back(rows: Rows) -> None:
    await rows.execute(
        publications.update().where(publications.c.id == 1).values(state="pending", due_at=SOON),
        insert(deals).values(
            user_key=1, state="pending", due_at=SOON, sent_at=NOW, attempts=1, reason="a cap"
        ),
    )

    async def told() -> bool:
        kinds = {problem.kind for problem in (await rows.condition()).problems}
        return ProblemKind.DEALS_DELAYED in kinds

    assert await told()
    for kept_back, otherwise in (
        ({"state": "paused"}, {"state": "active"}),
        ({"publishing_mode": "dry-run"}, {"publishing_mode": None}),
    ):
        await rows.execute(users.update().values(**kept_back))
        assert not await told()
        await rows.execute(users.update().values(**otherwise))
        assert await told()


async def test_the_next_check_of_a_user_is_not_before_the_end_of_a_pause(rows: Rows) -> None:
    async with rows.database.read() as transaction:
        ada = await find(transaction, "ada")
    for name in ("watching", "publishing"):
        await pause(rows, name, PauseCause.VENDOR)
    condition = await rows.condition()
    assert condition.check_due(replace(ada, next_check_at=NOW)) == SOON
    assert condition.check_due(replace(ada, next_check_at=LATER)) == LATER
    assert condition.check_due(replace(ada, state=UserState.PAUSED)) is None


WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def _waiting(database: Database) -> bool:
    """Whether a transaction waits for a lock of another one."""
    async with database.read() as transaction:
        return bool(await transaction.scalar(text(WAITING)))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_two_processes_that_pause_at_once_tell_it_once(database_url: str) -> None:
    first, second, third = [open_database(database_url) for _ in range(3)]

    async def stop() -> None:
        async with second.begin() as transaction:
            await pauses.pause(transaction, "watching", Pause(LATER, "second"), now=NOW)

    async with first.begin() as transaction:
        await pauses.pause(transaction, "watching", Pause(SOON, "first"), now=NOW)
        other = asyncio.create_task(stop())
        async with asyncio.timeout(60):
            while True:
                if await _waiting(third):
                    break
                await asyncio.sleep(0.02)
    await other
    told = await events.latest(first, EventsWanted(), limit=9)
    async with first.read() as transaction:
        pause = await pauses.paused(transaction, "watching", NOW)
    for database in (first, second, third):
        await database.close()
    assert [(str(event.kind), event.detail) for event in told] == [("watching.paused", "first")]
    assert pause
    assert (pause.until, pause.reason, pause.since) == (LATER, "second", NOW)
