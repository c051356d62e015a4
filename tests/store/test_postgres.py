"""PostgreSQL that is short of connections, silent, or held up by somebody who froze."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from gitpip.errors import DatabaseUnavailable
from gitpip.model import Pause
from gitpip.store.database import TRIAL, Database, Transaction, open_database, wait_until_reachable
from gitpip.store.status import pauses
from tests.support.network import nobody_listening
from tests.support.relay import Relay, relay_to

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

LATER = datetime(2100, 1, 1, tzinfo=UTC)
LONGEST_FREEZE = 10
DEAD = 3
FAREWELL = 2  # seconds that are spent on taking leave of each


@pytest.fixture
def relay(postgres_dsn: str) -> Iterator[Relay]:
    with relay_to(postgres_dsn) as relay:
        yield relay


@pytest.fixture
async def database(relay: Relay, postgres_dsn: str) -> AsyncIterator[Database]:
    database = open_database(relay.address(postgres_dsn))
    await database.migrate()
    yield database
    # What is cut is closed at once; what is silent would be waited for.
    relay.hang_up()
    await database.close()


async def ask(database: Database) -> None:
    async with database.read() as transaction:
        await transaction.execute(text("SELECT 1"))


@pytest.fixture
def several_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test takes several connections at a time, which the service never does in one task."""
    monkeypatch.setattr(Database, "nesting_fails", False)


@pytest.mark.usefixtures("several_connections")
async def test_connections_that_fell_silent_are_noticed_once_and_replaced(
    relay: Relay, database: Database
) -> None:
    async with AsyncExitStack() as at_once:
        for _ in range(DEAD):
            await at_once.enter_async_context(database.read())
    assert database.pool.idle == DEAD
    relay.swallow()
    relay.pass_on()

    begin = time.monotonic()
    for _ in range(DEAD):
        await ask(database)

    twice = 2 * TRIAL.total_seconds() + DEAD * FAREWELL
    assert time.monotonic() - begin < twice
    assert database.pool.in_use == 0


CAST_OFF = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def cast_off(relay: Relay, postgres_dsn: str) -> Iterator[Callable[[], Awaitable[None]]]:
    """The server takes leave, and has not hung up yet: no statement works then."""

    async def cast_off() -> None:
        relay.linger()
        async with await psycopg.AsyncConnection.connect(postgres_dsn) as other:
            await other.execute(CAST_OFF)
        assert await asyncio.to_thread(relay.ended.wait, 60)
        await asyncio.sleep(0.1)  # until what has arrived is read, which nothing tells

    yield cast_off
    relay.hang_up()


async def test_a_connection_of_which_the_server_takes_leave_is_replaced(
    database: Database, cast_off: Callable[[], Awaitable[None]]
) -> None:
    await ask(database)
    await cast_off()
    await ask(database)


async def test_a_server_that_takes_leave_within_a_transaction_is_unavailable(
    database: Database, cast_off: Callable[[], Awaitable[None]]
) -> None:
    async def ask_twice() -> None:
        async with database.begin() as transaction:
            await transaction.execute(text("SELECT 1"))
            await cast_off()
            await transaction.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        await ask_twice()
    await ask(database)


async def test_a_network_that_is_silent_is_named(relay: Relay, database: Database) -> None:
    relay.swallow()
    with pytest.raises(DatabaseUnavailable, match="no answer"):
        await ask(database)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("127.0.0.1:{port}/d", "port {port} failed: Connection refused$"),
        (
            "127.0.0.1:{port},localhost:{port}/d",
            '"127.0.0.1", port {port} failed: Connection refused',
        ),
        ("nowhere.invalid/d", "can't be reached: .*'nowhere.invalid'"),
        ("/d?host=/nowhere", "can't be reached: .* failed: No such file or directory$"),
        ("/d?service=nowhere", 'can\'t be reached: .*"nowhere" not found$'),
    ],
)
async def test_why_a_server_can_not_be_reached_is_told_in_a_line(place: str, told: str) -> None:
    with nobody_listening() as port:
        database = open_database("postgresql://gitpip:hunter22@" + place.format(port=port))
        with pytest.raises(DatabaseUnavailable, match=told.format(port=port)) as raised:
            await ask(database)
    assert "hunter22" not in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_a_statement_that_is_given_up_ends_in_the_server_too(
    database: Database, postgres_dsn: str
) -> None:
    async def ask_for_a_lock(how: str) -> None:
        async with database.begin() as transaction:
            await transaction.execute(text(f"LOCK TABLE users {how}"))

    async with (
        await psycopg.AsyncConnection.connect(postgres_dsn) as holder,
        await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as onlooker,
    ):

        async def until_waiting(number: int) -> None:
            found = None
            while found != (number,):
                waiting = await onlooker.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                found = await waiting.fetchone()

        await holder.execute("LOCK TABLE users")
        with pytest.raises(OperationalError):  # the database is not to blame for it
            await ask_for_a_lock("NOWAIT")
        given_up = asyncio.create_task(ask_for_a_lock(""))
        await until_waiting(1)
        given_up.cancel()
        await until_waiting(0)


async def test_a_connection_is_not_replaced_before_the_server_let_it_go(postgres_dsn: str) -> None:
    async def sleep() -> None:
        async with database.read() as transaction:
            asleep.set()
            await transaction.execute(text("SELECT pg_sleep(60)"))

    connections = 3
    database = open_database(postgres_dsn, connections=connections)
    async with await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as onlooker:
        for _ in range(10):
            sleepers = []
            for _ in range(connections):
                asleep = asyncio.Event()
                sleepers.append(asyncio.create_task(sleep()))
                await asleep.wait()
            for sleeper in sleepers:
                sleeper.cancel()
            await asyncio.gather(*sleepers, return_exceptions=True)
            found = await onlooker.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert await found.fetchone() == (0,)
    await database.close()


async def test_a_process_frozen_in_a_transaction_delays_others_briefly(
    database: Database,
) -> None:
    async def pause(reason: str, thaw: asyncio.Event | None = None) -> None:
        async with database.begin() as transaction:
            await pauses.pause(transaction, pauses.WATCHING, Pause(LATER, reason))
            if thaw:
                paused.set()
                await thaw.wait()

    await pause("before")
    paused, thaw = asyncio.Event(), asyncio.Event()
    frozen = asyncio.create_task(pause("frozen", thaw))
    await paused.wait()
    begin = time.monotonic()
    await pause("after")
    assert time.monotonic() - begin < LONGEST_FREEZE + 20

    thaw.set()
    with pytest.raises(DatabaseUnavailable, match="idle-in-transaction timeout"):
        await frozen
    async with database.read() as transaction:
        kept = await pauses.paused(transaction, pauses.WATCHING, datetime.now(UTC))
    assert kept
    assert kept.reason == "after"


@pytest.mark.usefixtures("several_connections")
async def test_a_server_without_a_free_connection_says_what_to_do(
    postgres: "PostgresServer", postgres_dsn: str
) -> None:
    role = f"few_{make_url(postgres_dsn).database}"
    postgres.psql(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1;")
    url = make_url(postgres_dsn).set(username=role)
    database = open_database(url.render_as_string(hide_password=False))
    async with database.read():
        with pytest.raises(DatabaseUnavailable, match="GITPIP_DATABASE_CONNECTIONS"):
            await ask(database)
    await ask(database)
    await database.close()
    postgres.psql(f"DROP ROLE {role};")


@pytest.mark.usefixtures("several_connections")
@pytest.mark.parametrize("unmigrated_url", ["postgres"], indirect=True)
async def test_a_new_login_counts_from_the_next_connection_on(
    postgres: "PostgresServer", unmigrated_url: str
) -> None:
    address = make_url(unmigrated_url)
    role = f"new_{address.database}"
    postgres.psql(f"CREATE ROLE {role} LOGIN SUPERUSER;")
    database = open_database(address.render_as_string(hide_password=False))

    async def user(transaction: Transaction) -> str:
        return str(await transaction.scalar(text("SELECT current_user")))

    async with database.read() as before:
        database.set_address(address.set(username=role).render_as_string(hide_password=False))
        await database.migrate()
        async with database.read() as after:
            assert (await user(before), await user(after)) == (address.username, role)
            owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'gists'"
            assert await after.scalar(text(owner)) == role
    database.set_address(address.set(username="nobody").render_as_string(hide_password=False))
    await database.close()
    with pytest.raises(DatabaseUnavailable, match=r"//nobody.*does not exist"):
        await ask(database)
    database.set_address(address.render_as_string(hide_password=False))
    await ask(database)
    await database.close()
    postgres.psql(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP ROLE {role};")


async def test_a_database_that_does_not_exist_is_named(postgres_dsn: str) -> None:
    url = make_url(postgres_dsn).set(database="nowhere")
    database = open_database(url.render_as_string(hide_password=False))
    with pytest.raises(DatabaseUnavailable, match='"nowhere" does not exist'):
        await ask(database)
    await database.close()


async def test_a_newer_schema_is_good_enough_for_those_who_run_and_an_unknown_one_is_not(
    database: Database,
) -> None:
    for revision, good in (("9999", True), ("0001", False)):
        async with database.begin() as transaction:
            await transaction.execute(
                text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
            )
        assert await database.is_migrated() is good
    async with database.begin() as transaction:
        await transaction.execute(text("DROP TABLE alembic_version"))
    assert not await database.is_migrated()


async def test_a_start_without_a_free_connection_says_what_to_do(
    postgres: "PostgresServer", postgres_dsn: str
) -> None:
    postgres.psql("CREATE ROLE one LOGIN CONNECTION LIMIT 1;")
    url = make_url(postgres_dsn).set(username="one")
    database = open_database(url.render_as_string(hide_password=False))
    try:
        with pytest.raises(DatabaseUnavailable, match="GITPIP_DATABASE_CONNECTIONS"):
            await wait_until_reachable(database, timedelta(0))
    finally:
        await database.close()
        postgres.psql("DROP ROLE one;")


async def test_statements_are_planned_for_their_own_parameters(postgres_dsn: str) -> None:
    """A plan for any parameters reads a million rows for a filter that a few fit."""
    database = open_database(postgres_dsn)
    async with database.read() as transaction:
        mode = await transaction.scalar(text("SHOW plan_cache_mode"))
    await database.close()
    assert mode == "force_custom_plan"
