"""Marks that a former version stored although its lists did not explain them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from gitpip.backfill import Backfill
from gitpip.model import GitHubId, User, UserKey, UserState
from gitpip.store.database import Database, open_database
from gitpip.store.status import troubles
from gitpip.store.users.schedule import completeness
from gitpip.watch.check import Watcher
from gitpip.watch.decide import LONGEST_LAG
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.graphql import Snapshot
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.support.clocks import Clock
from tests.support.migrations import upgrade_to
from tests.watch.conftest import INTERVAL, sweeping
from tests.watch.crowd import add_users, files_of, id_of
from tests.watch.test_check import run

BEFORE = "0024"
USERS = 40
IN_QUESTION = 3
"""The others have no gist, so that no mark of theirs can be wrong."""
A_MINUTE = timedelta(minutes=1)


@pytest.fixture
async def github(server: Server, clock: Clock) -> AsyncIterator[GitHub]:
    async with sweeping(server, clock) as github:
        yield github


@pytest.fixture
async def database(unmigrated_url: str) -> AsyncIterator[Database]:
    """Not migrated yet."""
    database = open_database(unmigrated_url)
    yield database
    await database.close()


async def former(database: Database, world: StandIn, clock: Clock, marks: dict[str, str]) -> None:
    """The rows of a version that took over marks whatever the list showed, by its own clock."""

    def write(connection: Connection) -> None:
        upgrade_to(connection, BEFORE)
        for key, (login, mark) in enumerate(marks.items(), start=1):
            user = world.user_of(login)
            assert user
            known = sum(1 for _ in world.gists_of(user.id))
            connection.execute(
                text(
                    "INSERT INTO users (key, login, external_id, github_id, node_id, backfill,"
                    " state, created_at, next_check_at, checked_at, complete_until, gist_count,"
                    " sweep_mark, last_sequence) VALUES (:key, :login, :login, :id, :node, 'all',"
                    " 'active', :at, :at, :at, :until, :gists, :mark, 0)"
                ),
                {
                    "key": key,
                    "login": login,
                    "id": user.id,
                    "node": user.node_id,
                    "at": _as_stored(database, clock() - INTERVAL),
                    # Our clock was a day ahead.
                    "until": _as_stored(database, clock() + timedelta(days=1)),
                    "gists": known,
                    "mark": mark,
                },
            )

    async with database.begin() as transaction:
        await transaction.run_sync(write)


def _as_stored(database: Database, time: datetime) -> object:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" if database.is_sqlite else time


async def test_marks_of_a_former_version_are_told_of_and_compared_without_a_storm(
    world: StandIn, watcher: Watcher, github: GitHub, database: Database, clock: Clock
) -> None:
    logins = add_users(world, USERS)
    in_question = logins[:IN_QUESTION]
    for login in in_question:
        world.add_gist(login, {"missed.txt": "its list was behind when the mark was stored"})
    clock.advance(timedelta(hours=1))
    marks = await _marks_now(github, world, clock, logins)
    await former(database, world, clock, marks)

    await database.migrate()

    async with database.read() as transaction:
        told = await troubles.users_not_compared(transaction)
        known = await completeness(transaction)
    assert told.count == IN_QUESTION
    assert known.complete_until is not None
    assert known.complete_until <= clock() - LONGEST_LAG
    # Without requests to spare nothing but the batch poll goes on, and it is still told.
    world.limits.charge("#0", "core", clock(), 2600)
    await github.account(logins[-1])
    check = await run(watcher)
    assert (check.users, check.unchanged) == (USERS, USERS)
    async with database.read() as transaction:
        assert (await troubles.users_not_compared(transaction)).count == IN_QUESTION
    # With some, the lists that may lack something are read at once, and no others.
    clock.advance(INTERVAL)
    before = len(world.requests)
    await run(watcher)
    asked = {r.path for r in world.requests[before:] if r.path.endswith("/gists")}
    assert asked == {f"/user/{id_of(world, login)}/gists" for login in in_question}
    for login in in_question:
        assert len(await files_of(database, login)) == 1
    async with database.read() as transaction:
        assert (await troubles.users_not_compared(transaction)).count == 0


async def _marks_now(
    github: GitHub, world: StandIn, clock: Clock, logins: list[str]
) -> dict[str, str]:
    """What GraphQL shows of each of them at present."""
    users = [
        User(
            key=UserKey(number),
            login=login,
            external_id=login,
            github_id=GitHubId(id_of(world, login)),
            backfill=Backfill.parse("all"),
            state=UserState.ACTIVE,
            created_at=clock(),
            next_check_at=clock(),
            checked_at=None,
            etag=None,
            failures=0,
            failure=None,
            last_sequence=0,
            deal_id=None,
        )
        for number, login in enumerate(logins)
    ]
    marks: dict[str, str] = {}
    for user, snapshot in zip(users, (await github.snapshots(users)).values(), strict=True):
        assert isinstance(snapshot, Snapshot)
        assert snapshot.mark
        marks[user.login] = snapshot.mark
    return marks
