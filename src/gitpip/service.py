"""The only place where everything is put together and started."""

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import uvicorn
from sqlalchemy import make_url

from gitpip.engine import Engine
from gitpip.errors import AddressInUse, DatabaseUnavailable, GitpipError, ServiceRunning
from gitpip.model import Account, Backfill, Forecast
from gitpip.publish.pace import shortest_time
from gitpip.publish.pipedrive import Pipedrive
from gitpip.publish.publisher import Publisher
from gitpip.publish.sending import rendered
from gitpip.settings import Settings, format_duration
from gitpip.show.app import create_app
from gitpip.store import operation
from gitpip.store.database import Database, open_database, wait_until_reachable
from gitpip.telemetry import get_logger
from gitpip.watch.check import Watcher
from gitpip.watch.feed import EVERY, Feed
from gitpip.watch.forecast import past_of
from gitpip.watch.github import GitHub
from gitpip.watch.look import Rules

SWEEP = timedelta(seconds=2)
"""How soon work that another process wrote into the rows is noticed."""
GRACE = timedelta(seconds=8)

log = get_logger()

Work = Literal["check", "publish"]


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database of these settings: reachable, and migrated.

    Raises DatabaseUnavailable (after waiting as long as the settings say), DatabaseTooNew.
    """
    database = open_database(settings.database_url)
    try:
        await _wait(database, settings)
        await database.migrate()
        yield database
    finally:
        await database.close()


async def _wait(database: Database, settings: Settings) -> None:
    try:
        await wait_until_reachable(database, timedelta(0))
    except DatabaseUnavailable as error:
        if database.is_sqlite:
            raise
        log.warning(
            "database.waiting", reason=str(error), wait=format_duration(settings.database_wait)
        )
        await wait_until_reachable(database, settings.database_wait)


async def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Watch, publish and show until SIGINT or SIGTERM; `ready` is given the address once it serves.

    Raises AddressInUse, ServiceRunning, and what `opened` raises.
    """
    with _listening(settings.host, settings.port) as listener:
        async with opened(settings) as database, working(settings, database) as worker:
            app = create_app(
                database=database,
                settings=settings,
                find_account=worker.find_account,
                wake=worker.wake,
                engine_is_alive=lambda: worker.engine.healthy,
                forecast=worker.forecast,
                preview=partial(rendered, on_edit=settings.on_edit, on_delete=settings.on_delete),
            )
            server = _Server(
                uvicorn.Config(
                    app,
                    log_config=None,
                    log_level="warning",
                    access_log=False,
                    lifespan="off",
                    server_header=False,
                    timeout_graceful_shutdown=3,
                    timeout_keep_alive=5,
                    h11_max_incomplete_event_size=32 * 1024,
                )
            )
            with _signals(server):
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                address = f"http://{settings.host}:{listener.getsockname()[1]}"
                _log_start(settings, address)
                if ready:
                    ready(address)
                await asyncio.wait({serving, worker.task}, return_when=asyncio.FIRST_COMPLETED)
                server.should_exit = True
                await serving
            log.info("service.stopping")
    log.info("service.stopped")


def _log_start(settings: Settings, address: str) -> None:
    log.info(
        "service.started",
        address=address,
        version=version("gitpip"),
        database=settings.masked_database_url,
        check_interval=format_duration(settings.check_interval),
    )
    if settings.pipedrive_token is None:
        log.warning(
            "publishing.waits",
            reason="PIPEDRIVE_TOKEN is not set; gists are found and kept until it is",
        )


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn would raise the signal again before our own work is handed back.
        yield


@contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"{host}:{port} is in use; stop what listens there or set GITPIP_PORT to another"
            ) from error
        raise AddressInUse(
            f"{host}:{port} can't be listened on: {error.strerror}; "
            "set GITPIP_HOST and GITPIP_PORT to an address of this machine"
        ) from error
    with listener:
        yield listener


@dataclass(frozen=True)
class Worker:
    """What does the work of one process: the engine, and what it runs."""

    engine: Engine
    github: GitHub
    task: asyncio.Task[None]

    async def find_account(self, login: str) -> Account:
        """Ask GitHub who bears a login; raises GitHubError."""
        return await self.github.account(login)

    async def forecast(self, login: str, backfill: Backfill) -> Forecast:
        """What tracking a login would publish at once; raises GitHubError."""
        return await forecast(self.github, login, backfill)

    async def wake(self, work: Work) -> None:
        """Tell the engine that work waits; the sweep finds it later where that fails."""
        try:
            await self.engine.tell(work)
        except GitpipError as error:
            log.warning("engine.not_told", work=work, reason=str(error))


async def forecast(github: GitHub, login: str, backfill: Backfill) -> Forecast:
    """What tracking a login would publish at once; raises GitHubError."""
    past = await past_of(github, login, backfill, utc_now())
    return Forecast(past.account, past.gists, past.files, shortest_time(past.files))


def github_of(settings: Settings) -> GitHub:
    """A client for the GitHub of these settings; to be entered before use."""
    token = settings.github_token.get_secret_value() if settings.github_token else None
    return GitHub(
        api_url=settings.github_api_url,
        graphql_url=settings.github_graphql_url if token else None,
        token=token,
        share=settings.github_share,
        timeout=settings.http_timeout,
    )


@asynccontextmanager
async def working(settings: Settings, database: Database) -> AsyncIterator[Worker]:
    """Run the engine with everything it runs, and show life, until the block ends."""
    async with AsyncExitStack() as stack:
        stack.enter_context(_alone(settings))
        github = await stack.enter_async_context(github_of(settings))
        rules = Rules(
            interval=settings.check_interval,
            on_edit=settings.on_edit,
            on_delete=settings.on_delete,
        )
        watcher = Watcher(database, github, rules=rules)
        publisher = None
        if settings.pipedrive_token:
            pipedrive = await stack.enter_async_context(
                Pipedrive(
                    api_url=settings.pipedrive_api_url,
                    token=settings.pipedrive_token,
                    timeout=settings.http_timeout,
                )
            )
            publisher = Publisher(
                database,
                pipedrive,
                timeout=settings.http_timeout,
                on_edit=settings.on_edit,
                on_delete=settings.on_delete,
            )
        engine = Engine(settings.postgres_dsn, grace=GRACE)
        await engine.install()
        _give_work(engine, watcher, publisher)
        if settings.reads_feed:
            _give_feed(engine, Feed(database, github))
        life = asyncio.create_task(_show_life(database))
        running = asyncio.create_task(engine.run())
        try:
            yield Worker(engine, github, running)
        finally:
            if publisher:
                publisher.stop()
            engine.stop()
            life.cancel()
            await asyncio.wait({life, running})
            if not running.cancelled() and (error := running.exception()):
                log.error("engine.failed", reason=str(error))


def _give_work(engine: Engine, watcher: Watcher, publisher: Publisher | None) -> None:
    async def check() -> None:
        await watcher.run()
        await sweep()

    async def publish() -> None:
        if publisher:
            await publisher.run()

    async def sweep() -> None:
        if await watcher.due():
            await engine.tell("check")
        if publisher and await publisher.due():
            await engine.tell("publish")

    engine.work("check", check)
    engine.work("publish", publish)
    engine.every("sweep", SWEEP, sweep)


def _give_feed(engine: Engine, feed: Feed) -> None:
    async def read() -> None:
        if await feed.read():
            await engine.tell("check")

    engine.every("feed", EVERY, read)


async def _show_life(database: Database) -> None:
    service_id = secrets.token_hex(8)
    try:
        while True:
            try:
                async with database.begin() as transaction:
                    await operation.show_life(
                        transaction, service_id, version=version("gitpip"), now=utc_now()
                    )
            except DatabaseUnavailable as error:
                log.warning("database.unavailable", reason=str(error))
            await asyncio.sleep(operation.HEARTBEAT.total_seconds())
    finally:
        with contextlib.suppress(DatabaseUnavailable):
            async with database.begin() as transaction:
                await operation.end_life(transaction, service_id)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """On SQLite, the lock that lets only one process work on a database; it dies with us."""
    path = _sqlite_path(settings)
    if path is None:
        yield
        return
    lock_path = path.with_name(path.name + ".lock")
    descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceRunning(
                f"another gitpip works on {path} already; stop it, or use PostgreSQL for several"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _sqlite_path(settings: Settings) -> Path | None:
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        return Path(url.database)
    return None
