"""Trying now ends a pause once, audited; what GitHub asked for is kept."""

from collections.abc import Collection
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from gitpip.actions.pauses import not_paused, try_now
from gitpip.errors import PauseKept
from gitpip.model import PauseCause
from gitpip.store.database import Transaction
from gitpip.store.schema import deals, publications
from gitpip.store.schema import pauses as pause_rows
from gitpip.store.status import pauses
from tests.status.conftest import NOW, Rows

SOON, LATER = NOW + timedelta(minutes=30), NOW + timedelta(hours=2)
REFUSED_FOR = {
    "watching": PauseCause.RATE_LIMIT,
    "sweeping": PauseCause.RATE_LIMIT,
    "reading": PauseCause.RATE_LIMIT,
}


async def pause(rows: Rows, name: str, cause: PauseCause) -> None:
    await rows.execute(insert(pause_rows).values(name=name, until=SOON, reason="why", cause=cause))


async def tried(rows: Rows, *names: str) -> tuple[Collection[str], list[tuple[str, str]]]:
    """What was ended, and what the audit was given."""
    audited: list[tuple[str, str]] = []

    async def did(_: Transaction, action: str, subject: str) -> None:
        audited.append((action, subject))

    async with rows.database.begin() as transaction:
        ended = await try_now(transaction, names, did=did, now=NOW)
    return ended, audited


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


@pytest.mark.parametrize("name", pauses.PAUSABLE)
@pytest.mark.parametrize("cause", PauseCause)
async def test_only_what_github_asked_for_is_kept(rows: Rows, name: str, cause: PauseCause) -> None:
    await pause(rows, name, cause)
    if REFUSED_FOR.get(name) is not cause:
        assert await tried(rows, name) == ((name,), [("pause.ended", name)])
        assert (await rows.condition()).pauses == {}
        return
    with pytest.raises(PauseKept, match=f"^{name} is paused until 12:30 UTC because GitHub asked"):
        await tried(rows, name)
    assert set((await rows.condition()).pauses) == {name}
    await pause(rows, "publishing", PauseCause.VENDOR)
    assert (await tried(rows, *pauses.PAUSABLE))[0] == ("publishing",)


async def test_what_is_not_paused_but_held_up_names_the_pause_that_holds_it_up(rows: Rows) -> None:
    async def reason(name: str) -> str:
        async with rows.database.read() as transaction:
            return await not_paused(transaction, name, NOW)

    assert await reason("watching") == "watching is not paused."
    await pause(rows, "reading", PauseCause.FAULT)
    assert await reason("watching") == (
        "watching itself is not paused; reading is, until 12:30 UTC: gitpip try-now reading"
    )
    assert await reason("publishing") == "publishing is not paused."


async def test_users_are_said_to_be_checked_meanwhile_only_where_they_are(rows: Rows) -> None:
    async def sentences() -> str:
        return " ".join(problem.sentence for problem in (await rows.condition()).problems)

    await pause(rows, "sweeping", PauseCause.FAULT)
    assert "checked one after the other" in await sentences()
    await pause(rows, "reading", PauseCause.FAULT)
    assert "checked one after the other" not in await sentences()
