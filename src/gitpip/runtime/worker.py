"""The worker of a process: the scheduler with all works that it runs."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from gitpip.backfill import Backfill
from gitpip.clock import utc_now
from gitpip.config import Settings
from gitpip.errors import DatabaseUnavailable, GitpipError, ServiceRunning
from gitpip.model import Account
from gitpip.observability.logging import get_logger
from gitpip.publish.delivery import Waits
from gitpip.publish.destination import Destination
from gitpip.publish.publisher import Publisher
from gitpip.publish.sender import SendRules
from gitpip.publish.surveyor import Surveyor
from gitpip.publish.token_costs import BURST_WINDOW, shortest_time
from gitpip.runtime import repairs
from gitpip.runtime.account_access import client_of
from gitpip.runtime.sampler import sampling
from gitpip.runtime.scheduler import Scheduler, Timing
from gitpip.runtime.surveying import surveyor_of
from gitpip.store.database import Database
from gitpip.store.status import pauses
from gitpip.store.users import users
from gitpip.watch.account_guard import GitHubAccountGuard
from gitpip.watch.check import Watcher
from gitpip.watch.forecast import Forecast, past_of
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.graphql import LookedUp
from gitpip.watch.github.rate_limits import Allowance
from gitpip.watch.github.shared_limits import SharedLimits
from gitpip.watch.public_feed import READ_EVERY, PublicFeed
from gitpip.watch.user_check import Rules

SWEEP = timedelta(seconds=2)
"""The longest time until work that another process wrote into the rows is noticed."""
GRACE = timedelta(seconds=8)

log = get_logger()

Work = Literal["check", "publish", "survey"]


@dataclass(frozen=True)
class Worker:
    """The access to GitHub, and to the scheduler, which runs in this process or in others."""

    scheduler: Scheduler
    github: GitHub
    database: Database
    address: GitHubAccountGuard
    destination: Destination | None
    """The client of Pipedrive, or None if others do the work."""
    survey_client: Destination | None
    """The client of surveys: they ask alongside publishing, and before it is cleared."""
    task: asyncio.Task[None] | None
    """None if others do the work."""

    def is_alive(self) -> bool | None:
        """Return whether the scheduler runs and reaches its database.

        Returns None if others do the work.
        """
        return None if self.task is None else self.scheduler.healthy

    def publishes(self) -> bool:
        """Return whether this process has a token to publish with."""
        return self.destination is not None and self.destination.has_token

    async def use_settings(self, settings: Settings) -> None:
        """Use these settings from the next request and connection on.

        Work that waited because another token was refused continues.
        """
        self.database.set_address(settings.database_url)
        self.scheduler.set_address(settings.postgres_dsn)
        token = settings.github_token
        self.github.set_token(token.get_secret_value() if token else None)
        if self.destination is None:
            return
        self.destination.set_token(settings.pipedrive_token)
        if self.survey_client is not None:
            self.survey_client.set_token(settings.pipedrive_token)
        try:
            await self.end_pauses()
        except DatabaseUnavailable as error:
            log.warning("database.unavailable", reason=str(error))
        await self.wake("check")
        await self.wake("publish")

    async def end_pauses(self) -> None:
        """End the pauses caused by other tokens than these. Raises DatabaseUnavailable."""
        if self.destination is None:
            return
        watching = (pauses.WATCHING, pauses.SWEEPING, pauses.READING)
        async with self.database.begin() as transaction:
            ended = (
                *await pauses.resume_with(transaction, watching, self.github.fingerprint),
                *await pauses.resume_with(
                    transaction, (pauses.PUBLISHING,), self.destination.fingerprint
                ),
            )
        for name in ended:
            log.info(f"{name}.resumed", reason="it was another token that was refused")

    async def find_account(self, login: str) -> Account:
        """Ask GitHub for the account of a login; raises GitHubError, AccountChanged."""
        await self.address.check()
        return await self.github.account(login)

    async def forecast(self, login: str, backfill: Backfill) -> Forecast:
        """Return what adding a login would send at once; raises GitHubError."""
        return await forecast(self.database, self.github, login, backfill)

    async def look_up(self, logins: Sequence[str]) -> LookedUp:
        """Return which logins GitHub shows, with their numbers of gists; raises GitHubError."""
        await self.address.check()
        return await self.github.look_up(logins)

    async def wake(self, work: Work) -> None:
        """Tell the scheduler that work waits. If that fails, the sweep finds it later."""
        try:
            await self.scheduler.notify(work)
        except GitpipError as error:
            log.warning("engine.not_told", work=work, reason=str(error))


async def forecast(database: Database, github: GitHub, login: str, backfill: Backfill) -> Forecast:
    """Return what adding a login would send at once.

    Raises GitHubError, DatabaseUnavailable.
    """
    past = await past_of(github, login, backfill, utc_now())
    async with database.read() as transaction:
        tracked = await users.with_account(transaction, past.account)
    activities = 0 if tracked else past.kept  # adding the user again changes nothing
    return Forecast(
        past.account,
        past.gists,
        files=past.files,
        activities=activities,
        duration=shortest_time(activities),
        duration_of_all=shortest_time(past.files),
        tracked_as=tracked.login if tracked else None,
    )


def github_of(settings: Settings, database: Database | None = None) -> GitHub:
    """Return a client for the GitHub of these settings. Enter it before use.

    With a database, it shares GitHub's limits with all others of that database.
    """
    token = settings.github_token.get_secret_value() if settings.github_token else None
    return GitHub(
        api_url=settings.github_api_url,
        graphql_url=settings.github_graphql_url,
        token=token,
        timeout=settings.http_timeout,
        allowance=Allowance(
            share=settings.github_share,
            shared=SharedLimits(database, utc_now) if database else None,
        ),
    )


@asynccontextmanager
async def working(settings: Settings, database: Database) -> AsyncIterator[Worker]:
    """Run the scheduler with everything it runs, until the block ends. Raises ServiceRunning."""
    async with AsyncExitStack() as stack:
        stack.enter_context(_alone(settings))
        github = await stack.enter_async_context(github_of(settings, database))
        rules = Rules(
            interval=settings.check_interval,
            on_edit=settings.on_edit,
            on_delete=settings.on_delete,
            publish_deleted=settings.publish_deleted,
            hold_above=settings.hold_above,
        )
        watcher = Watcher(database, github, rules=rules)
        destination = await stack.enter_async_context(client_of(settings, rest=BURST_WINDOW))
        survey_client = await stack.enter_async_context(client_of(settings, rest=BURST_WINDOW))
        publisher = Publisher(
            database,
            destination,
            waits=Waits(settings.http_timeout, settings.absent_after),
            rules=SendRules(settings.on_edit, settings.on_delete, settings.publishing),
        )
        if database.is_sqlite:
            # The lock proves that no other process works on this database.
            await publisher.take_over()
        await stack.enter_async_context(sampling(database, github, destination))
        scheduler = Scheduler(settings.postgres_dsn, Timing(grace=GRACE))
        await scheduler.install()
        address = GitHubAccountGuard(database, settings.github_api_url)
        _give_work(scheduler, watcher, publisher, address)
        _give_repairs(scheduler, database)
        _give_surveys(scheduler, surveyor_of(database, survey_client, github))
        if settings.feed:
            _give_public_feed(scheduler, github, PublicFeed(database, github), address)
        worker = Worker(scheduler, github, database, address, destination, survey_client, None)
        await worker.end_pauses()
        running = asyncio.create_task(scheduler.run())
        try:
            yield replace(worker, task=running)
        finally:
            publisher.stop()
            scheduler.stop()
            await asyncio.wait({running})
            if not running.cancelled() and (error := running.exception()):
                log.error("engine.failed", reason=str(error))


def _give_work(
    scheduler: Scheduler, watcher: Watcher, publisher: Publisher, address: GitHubAccountGuard
) -> None:
    async def check() -> None:
        if await address.permits():
            await watcher.run()
        await sweep()

    async def publish() -> None:
        await publisher.run()

    async def sweep() -> None:
        if await address.permits() and await watcher.due():
            await scheduler.notify("check")
        if await publisher.due():
            await scheduler.notify("publish")

    scheduler.register("check", check)
    scheduler.register("publish", publish)
    scheduler.schedule("sweep", SWEEP, sweep)


def _give_repairs(scheduler: Scheduler, database: Database) -> None:
    async def wake(work: Work) -> None:
        await scheduler.notify(work)

    async def go_on() -> None:
        await repairs.go_on(database, wake)

    scheduler.schedule("repair", repairs.REPAIRS_CHECKED_EVERY, go_on)


def _give_surveys(scheduler: Scheduler, surveyor: Surveyor) -> None:
    async def survey() -> None:
        await surveyor.run()

    async def look() -> None:
        if await surveyor.due():
            await scheduler.notify("survey")

    scheduler.register("survey", survey)
    scheduler.schedule("surveys", SWEEP, look)


def _give_public_feed(
    scheduler: Scheduler, github: GitHub, feed: PublicFeed, address: GitHubAccountGuard
) -> None:
    async def read() -> None:
        # Without a token, checks need the requests that the feed would use.
        if github.polls_batches and await address.permits() and await feed.read():
            await scheduler.notify("check")

    scheduler.schedule("feed", READ_EVERY, read)


@asynccontextmanager
async def reaching(settings: Settings, database: Database) -> AsyncIterator[Worker]:
    """Provide access to GitHub, and to the schedulers of others, until the block ends."""
    async with github_of(settings, database) as github:
        scheduler = Scheduler(settings.postgres_dsn)
        await scheduler.install()
        address = GitHubAccountGuard(database, settings.github_api_url)
        yield Worker(scheduler, github, database, address, None, None, None)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the lock that lets only one process work on an SQLite database; it ends with us."""
    path = settings.sqlite_file
    if path is None:
        yield
        return
    lock_path = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DatabaseUnavailable(
            f"{lock_path} can't be opened: {error.strerror}; make this user its owner, or stop "
            "gitpip and remove it"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceRunning(
                f"another gitpip already uses {path}; stop it, or use PostgreSQL for several"
            ) from None
        yield
    finally:
        os.close(descriptor)
