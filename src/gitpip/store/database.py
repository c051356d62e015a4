"""Connections, transactions and migrations, with the differences of SQLite and PostgreSQL."""

import asyncio
import copy
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import AdaptedConnection, Connection, event, make_url, text
from sqlalchemy.exc import DatabaseError, DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from gitpip.backoff import backoff, jittered
from gitpip.errors import DatabaseBusy, DatabaseTooNew, DatabaseUnavailable
from gitpip.share import Share
from gitpip.store import sqlite
from gitpip.store.postgres import WatchedConnection, check_suitable, connect, name_of, one_line

Transaction: TypeAlias = AsyncConnection
"""The transaction of `Database.begin` or `Database.read`, which functions on rows take."""

MIGRATIONS = Path(__file__).parent / "migrations"
STATEMENT = timedelta(seconds=30)
"""A statement that takes longer has lost its server; a migration may take any time."""
TRIAL = timedelta(seconds=5)
SHARE_WAIT = timedelta(seconds=10)
"""How long a transaction waits for one of the connections of its share."""
FIRST_DATABASE_PAUSE, LONGEST_DATABASE_PAUSE = timedelta(milliseconds=200), timedelta(seconds=3)
# Any number will do, as long as every process takes the same one.
MIGRATION_LOCK = 4_871_325_001
MIGRATION_TRIES = 20

DEADLOCK = "40P01"

# The statement is not at fault: https://www.postgresql.org/docs/current/errcodes-appendix.html
UNAVAILABLE = ("08", "28", "40", "3D", "53", "57", "58", "25006", "25P03", "42501")
# By the beginnings of PostgreSQL's codes, and SQLite's names: https://sqlite.org/rescode.html
RESTORE = "restore a backup, or move the file away to start again"
ADVICE = {
    "53300": "allow more connections in PostgreSQL (max_connections), or fewer for each gitpip"
    " (GITPIP_DATABASE_CONNECTIONS)",
    "53100": "free some space on its disk",
    "SQLITE_FULL": "free some space on its disk",
    "SQLITE_CORRUPT": f"it is damaged: {RESTORE}",
    "SQLITE_NOTADB": f"it is damaged, or not a database: {RESTORE}",
}
# libpq gives no code if a connection is refused, and PostgreSQL may say it in another language.
NO_CONNECTION_FREE = re.compile(r"too many (clients|connections)|remaining connection slots")


@dataclass(frozen=True)
class Pool:
    """The numbers of connections: used, idle, and allowed."""

    in_use: int
    idle: int
    limit: int


_within: ContextVar["Database | None"] = ContextVar("within a transaction", default=None)
"""The database in which the present task is within a transaction."""


class Database:
    """A pool of connections to one database; every access to it uses `begin` or `read`."""

    nesting_fails = False
    """Whether a transaction that is opened inside another one fails, as it does in the tests.

    It takes a second connection while it holds the first. If all do so at once the pool is empty,
    and on SQLite a writer inside a writer waits for itself.
    """

    def __init__(self, engine: AsyncEngine, login: "Login | None" = None) -> None:
        self._engine = engine
        self._login = login
        # SQLite has one writer: waiting in line here is fair, SQLite's own waiting is not.
        self._writer = asyncio.Lock() if engine.dialect.name == "sqlite" else None
        self._share: Share | None = None

    @property
    def is_sqlite(self) -> bool:
        return self._writer is not None

    def shared(self, size: int) -> "Database":
        """Return the same database, limited to `size` of the connections at a time.

        Uses beyond that wait apart from all others, and in the end `begin` and `read` raise
        DatabaseBusy.
        """
        part = copy.copy(self)
        part._share = Share(size, SHARE_WAIT, lambda: _busy(size))
        return part

    def set_address(self, address: str) -> None:
        """Use this address of the same database from the next connection on."""
        if self._login:
            self._login.address = address

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        """Open a transaction that may write; commit at the end, or roll back on an exception.

        Raises DatabaseUnavailable if the database cannot be reached or written.
        """
        async with (
            self._not_within_another(),
            self._place(),
            self._faults_named(),
            _optional(self._writer),
            self._engine.begin() as transaction,
        ):
            yield transaction

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a transaction that only reads, and sees one state of the database throughout."""
        async with (
            self._not_within_another(),
            self._place(),
            self._faults_named(),
            self._engine.connect() as connection,
        ):
            await connection.execution_options(gitpip_read=True)
            # Every transaction of SQLite sees one state, and saying so takes four statements.
            if not self.is_sqlite:
                await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def _not_within_another(self) -> AsyncIterator[None]:
        outer = _within.get()
        if outer and outer._engine is self._engine and self.nesting_fails:
            raise RuntimeError("a transaction is opened inside another one of the same database")
        token = _within.set(self)
        try:
            yield
        finally:
            _within.reset(token)

    def _place(self) -> AbstractAsyncContextManager[None]:
        return self._share.place() if self._share else nullcontext()

    async def migrate(self) -> None:
        """Bring the schema up to date, one process at a time.

        It is tried again after a deadlock: an older gitpip that still runs locks tables in an order
        of its own, and PostgreSQL may choose either side to give way.

        Raises DatabaseTooNew if a newer gitpip has migrated it already.
        """
        async with self._faults_named():
            for failures in count(1):
                try:
                    await self._migrate_once()
                except DBAPIError as error:
                    if _code(error.orig) != DEADLOCK or failures == MIGRATION_TRIES:
                        raise
                    pause = backoff(failures, FIRST_DATABASE_PAUSE, LONGEST_DATABASE_PAUSE)
                    await asyncio.sleep(jittered(pause).total_seconds())
                else:
                    return

    async def _migrate_once(self) -> None:
        async with _optional(self._writer), self._unhurried().begin() as transaction:
            if not self.is_sqlite:
                await transaction.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK}
                )
            await transaction.run_sync(_upgrade)

    def _unhurried(self) -> AsyncEngine:
        return _postgres(self._login, statement=None) if self._login else self._engine

    async def is_migrated(self) -> bool:
        """Return whether the schema is the one this gitpip was built for, or a newer one.

        A newer gitpip that starts alongside this one only adds to it.
        """
        async with self.read() as transaction:
            revision = await transaction.run_sync(_revision)
        return revision == _head() or (revision is not None and not _knows(revision))

    async def revision(self) -> str | None:
        """Return the schema's revision; None if there is none. Raises DatabaseTooNew."""
        async with self.read() as transaction:
            revision = await transaction.run_sync(_revision)
        _check_known(revision)
        return revision

    async def check_suitable(self) -> None:
        """Raise DatabaseUnsuitable if PostgreSQL is set up in a way that gitpip cannot work with.

        Raises DatabaseUnavailable if it cannot be reached.
        """
        if self._login:
            async with self._faults_named():
                await check_suitable(self._login.address)

    async def try_to_write(self) -> None:
        """Create a table and roll it back. Raises DatabaseUnavailable."""
        async with self._faults_named(), _optional(self._writer), self._engine.connect() as trial:
            await trial.execute(text("CREATE TABLE gitpip_can_write (yes INTEGER)"))
            await trial.rollback()

    @property
    def pool(self) -> Pool:
        """The state of the pool."""
        pool = self._engine.pool
        if not isinstance(pool, QueuePool):
            return Pool(in_use=0, idle=1, limit=1)  # SQLite in memory: one connection, kept open
        return Pool(pool.checkedout(), pool.checkedin(), pool.size())

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _faults_named(self) -> AsyncIterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not _is_unavailable(error):
                raise
            raise self._unavailable(error.orig or error) from error
        except (OSError, TimeoutError) as error:
            reason = str(error) or "no answer"
            raise DatabaseUnavailable(f"{self._named} can't be reached: {reason}") from error
        except psycopg.Error as error:
            # Errors while a connection is made or tried, which SQLAlchemy does not translate.
            raise self._unavailable(error) from error
        except PoolTimeout as error:
            raise DatabaseUnavailable(
                f"{self._named} gave no free connection within 30 s"
            ) from error

    def _unavailable(self, error: BaseException) -> DatabaseUnavailable:
        found = f"{self._named} does not work: {one_line(error)}"
        return DatabaseUnavailable(found, advice=_advice(error))

    @property
    def _named(self) -> str:
        if self._login:
            return f"the database {name_of(self._login.address)}"
        return f"the database {self._engine.url.database or self._engine.url}"


@dataclass
class Login:
    """The address of PostgreSQL for the next connection."""

    address: str

    async def connect(self, patience: timedelta | None) -> WatchedConnection:
        return await connect(self.address, patience=patience)


def open_database(url: str, *, connections: int = 10) -> Database:
    """Return a database for an SQLAlchemy URL of `sqlite+aiosqlite`, or an address for libpq.

    At most `connections` are open at a time. Nothing is connected yet.
    """
    login = None
    if url.startswith("sqlite"):
        parsed = make_url(url)
        in_file = parsed.database and parsed.database != ":memory:"
        if in_file:
            sqlite.prepare_file(Path(parsed.database or ""))
        engine = create_async_engine(
            parsed,
            connect_args={"timeout": 10, "async_creator_fn": sqlite.connect},
            hide_parameters=True,
            **(_bounds(connections) if in_file else {}),
        )
        event.listen(engine.sync_engine, "connect", sqlite.prepare_connection)
        event.listen(engine.sync_engine, "begin", sqlite.begin)
    else:
        login = Login(url)
        engine = _postgres(login, statement=STATEMENT, **_bounds(connections))
        event.listen(engine.sync_engine, "checkout", _try_postgres_connection)
    return Database(engine, login)


def _bounds(connections: int) -> dict[str, Any]:
    # The connection used last is used next: each keeps up to 100 prepared statements of its own, so
    # those that are only needed at times of load should not collect them.
    return {
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": 30,
        "pool_use_lifo": True,
    }


def _postgres(login: Login, *, statement: timedelta | None, **pool: Any) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+psycopg://",
        hide_parameters=True,
        async_creator=lambda: login.connect(statement),
        use_native_hstore=False,  # to ask the server for it takes a statement
        **(pool or {"poolclass": NullPool}),
    )
    event.listen(engine.sync_engine, "connect", _prepare_postgres_connection)
    return engine


async def wait_until_reachable(
    database: Database,
    wait: timedelta,
    *,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Try to connect until it works; call `meanwhile` between two tries.

    Raises DatabaseUnavailable when `wait` is over, and DatabaseUnsuitable at once.
    """
    deadline = asyncio.get_running_loop().time() + wait.total_seconds()
    for failures in count(1):
        try:
            # First, because behind some poolers the next statement already fails.
            await database.check_suitable()
            async with database.read() as transaction:
                await transaction.execute(text("SELECT 1"))
        except DatabaseUnavailable:
            pause = backoff(failures, FIRST_DATABASE_PAUSE, LONGEST_DATABASE_PAUSE).total_seconds()
            if database.is_sqlite or asyncio.get_running_loop().time() + pause > deadline:
                raise
            await asyncio.sleep(pause)
            if meanwhile:
                await meanwhile()
        else:
            return


@asynccontextmanager
async def _optional(lock: asyncio.Lock | None) -> AsyncIterator[None]:
    if lock is None:
        yield
    else:
        async with lock:
            yield


def _busy(size: int) -> DatabaseBusy:
    connections = "1 connection" if size == 1 else f"{size} connections"
    return DatabaseBusy(
        "too many requests read the database at the same time: all of the "
        f"{connections} for them were in use for {SHARE_WAIT.total_seconds():g} seconds",
        advice="try again in a few seconds; if this happens often, send fewer at a time, or let "
        "the operator raise GITPIP_DATABASE_CONNECTIONS",
    )


def _is_unavailable(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if code := _code(error.orig):
        return code.startswith(UNAVAILABLE)
    # SQLite reports with the plain class that a file is no database, or a damaged one.
    return isinstance(error, OperationalError) or type(error) is DatabaseError


def _code(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""


def _advice(error: BaseException | None) -> str:
    name = getattr(error, "sqlite_errorname", None) or _code(error)
    if not name and NO_CONNECTION_FREE.search(str(error)):
        name = "53300"
    return next((advice for start, advice in ADVICE.items() if name.startswith(start)), "")


def _prepare_postgres_connection(connection: AdaptedConnection, entry: ConnectionPoolEntry) -> None:
    connection.run_async(lambda driver: driver.set_autocommit(False))
    entry.info["new"] = True


def _try_postgres_connection(
    connection: AdaptedConnection, entry: ConnectionPoolEntry, _: object
) -> None:
    """Check before use whether a connection is dead; then the others are, too.

    SQLAlchemy's own check would wait as long as for any statement, and for each connection again.
    """
    if entry.info.pop("new", False):
        return
    try:
        connection.run_async(_try)
    except psycopg.Error as error:
        raise InvalidatePoolError from error


async def _try(connection: WatchedConnection) -> None:
    connection.patience = TRIAL
    await connection.set_autocommit(True)  # else it would begin a transaction
    await connection.execute("SELECT 1")
    await connection.set_autocommit(False)
    connection.patience = STATEMENT


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    return configuration


@cache
def _revisions() -> tuple[str | None, frozenset[str]]:
    """Return the newest revision, and all revisions.

    The result is cached, because Alembic loads every script for it, which takes 11 ms for 41 of
    them.
    """
    scripts = ScriptDirectory.from_config(_configuration())
    return scripts.get_current_head(), frozenset(each.revision for each in scripts.walk_revisions())


def _head() -> str | None:
    return _revisions()[0]


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _knows(revision: str) -> bool:
    return revision in _revisions()[1]


def _upgrade(connection: Connection) -> None:
    configuration = _configuration()
    attributes: dict[str, Any] = configuration.attributes
    attributes["connection"] = connection
    revision = _revision(connection)
    _check_known(revision)
    if revision != _head():
        command.upgrade(configuration, "head")


def _check_known(revision: str | None) -> None:
    if revision is not None and not _knows(revision):
        raise DatabaseTooNew(
            f"the database is at revision {revision}, which this gitpip does not know: "
            "a newer gitpip has migrated it; run that one or a newer one"
        )
