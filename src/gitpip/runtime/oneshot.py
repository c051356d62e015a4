"""The work of one command, done by the running service or, without one, by this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from gitpip.actions import users as user_actions
from gitpip.actions.checks import request as request_check
from gitpip.backfill import Backfill
from gitpip.clock import day_and_clock, utc_now
from gitpip.config import Settings
from gitpip.errors import AccountChanged, GitpipError, ServiceFailed, ServiceRunning
from gitpip.model import Account, Check, CheckId, PublicationState
from gitpip.publish import chosen_targets
from gitpip.runtime.account_access import (
    is_served,
    note_company,
    tokens_of,
    tokens_of_service,
)
from gitpip.runtime.account_targets import AccountTargets
from gitpip.runtime.acting import acting_on
from gitpip.runtime.heartbeat import heartbeat
from gitpip.runtime.opening import opened
from gitpip.runtime.scheduler import describe, failure
from gitpip.runtime.worker import Worker, forecast, github_of, working
from gitpip.status import watching
from gitpip.status.modes import of_persons_pause, overall_mode
from gitpip.status.problem import until
from gitpip.store.accounts import accounts
from gitpip.store.database import Database, Transaction
from gitpip.store.publications import publications
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import checks, kept_back, pauses, publishing_pause
from gitpip.store.users import schedule, users
from gitpip.validation import check_login
from gitpip.watch.account_guard import GitHubAccountGuard
from gitpip.watch.forecast import Forecast

DRAIN_WAITS_FOR = timedelta(minutes=2)
"""The time within which work must be due for a drain to wait for it: long enough to settle what is
uncertain."""


@asynccontextmanager
async def _served(settings: Settings, database: Database) -> AsyncIterator[Callable[[], None]]:
    """Provide a process that works: the running service, or one of our own for that time.

    Yields a function that raises GitpipError if our own has ended.
    """
    try:
        async with AsyncExitStack() as stack:
            worker = None
            if database.is_sqlite or not await is_served(database):
                worker = await stack.enter_async_context(working(settings, database))
                beats = heartbeat(database, tokens=lambda: tokens_of(settings))
                await stack.enter_async_context(beats)
            yield partial(_check_alive, worker)
    except ServiceRunning:
        yield partial(_check_alive, None)


def _check_alive(worker: Worker | None) -> None:
    if worker is not None and worker.task is not None and worker.task.done():
        error = failure(worker.task)
        reason = describe(error) if error else "without an error"
        raise ServiceFailed(f"the work queue ended: {reason}; run `gitpip doctor`")


@dataclass(frozen=True)
class FinishedCheck:
    """The result of a check of all users."""

    check: Check
    unchecked: int
    """The number of active users not checked after all, for example because GitHub asks to wait."""


async def check_now(
    settings: Settings, follow: Callable[[Check, int], None] = lambda check, users: None
) -> FinishedCheck:
    """Check every tracked user now, by the running service or this process; return the result.

    `follow` receives the progress, with the number of tracked users.
    """
    async with opened(settings, makes=True) as database:
        check = await request_check(acting_on(database))
        async with _served(settings, database) as check_alive:
            ended = await _follow_check(database, check.id, check_alive, follow)
        async with database.read() as transaction:
            left = await schedule.unchecked(transaction, check.requested_at)
        return FinishedCheck(ended, left)


async def _follow_check(
    database: Database,
    check_id: CheckId,
    check_alive: Callable[[], None],
    follow: Callable[[Check, int], None],
) -> Check:
    while True:
        check_alive()
        async with database.read() as transaction:
            check = await checks.get(transaction, check_id)
            tracked = sum((await users.count(transaction)).values())
            pause = await pauses.checks_held_up(transaction, utc_now())
            changed = await accounts.change(transaction, Vendor.GITHUB)
        follow(check, tracked)
        if check.ended_at:
            return check
        if changed:
            raise AccountChanged("no user is checked: see gitpip accounts list")
        if pause:
            raise GitpipError(
                f"watching is paused {until(pause.until, utc_now())}: {pause.reason}; "
                "the check runs then"
            )
        await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Drained:
    """The result of a drain of the due publications; `reason` says why some still wait."""

    published: int
    failed: int
    """The number of all refused publications, older ones included, until a person retries or skips
    them. A check publishes too, so in `check && publish` the refusal is often older than the drain,
    and checks of others may come in between."""
    waiting: int
    held: int
    """The number that wait for a person's decision, and not for the publisher."""
    reason: str | None


async def publish_now(
    settings: Settings, follow: Callable[[int], None] = lambda waiting: None
) -> Drained:
    """Publish what is due, by the running service or by this process.

    It ends when nothing waits that is due soon, or when publishing is paused; `follow` receives the
    number that wait. Raises GitpipError if neither the service nor this process has
    PIPEDRIVE_TOKEN.
    """
    async with opened(settings) as database:
        async with database.read() as transaction:
            await _check_token(transaction, settings)
            before = await publications.count(transaction)
        if not await is_served(database):
            with suppress(GitpipError):  # a pause says why Pipedrive can't be asked
                await note_company(settings, database)
        async with _served(settings, database) as check_alive:
            reason = await _follow_publishing(settings, database, check_alive, follow)
        async with database.read() as transaction:
            after = await publications.count(transaction)

    published = PublicationState.PUBLISHED
    return Drained(
        published=after.get(published, 0) - before.get(published, 0),
        failed=after.get(PublicationState.FAILED, 0),
        waiting=sum(after.get(PublicationState(state), 0) for state in publications.WAITING),
        held=after.get(PublicationState.HELD, 0),
        reason=reason,
    )


async def _check_token(transaction: Transaction, settings: Settings) -> None:
    """Raise GitpipError if there is no token to publish with."""
    if settings.pipedrive_token is not None:
        return
    tokens = await tokens_of_service(transaction)
    if tokens is None:
        raise GitpipError("PIPEDRIVE_TOKEN is not set, so nothing is sent; set it and try again")
    if not tokens.destination:
        raise GitpipError(
            "the running service has no PIPEDRIVE_TOKEN, so nothing is sent; set it for "
            "gitpip serve, and restart that"
        )


async def _follow_publishing(
    settings: Settings,
    database: Database,
    check_alive: Callable[[], None],
    follow: Callable[[int], None],
) -> str | None:
    while True:
        check_alive()
        now = utc_now()
        async with database.read() as transaction:
            await _check_token(transaction, settings)  # the service may have ended meanwhile
            pause = await pauses.paused(transaction, pauses.PUBLISHING, now) or await pauses.paused(
                transaction, pauses.EXAMINING, now
            )
            by_person = await publishing_pause.current(transaction, now)
            counts = await publications.count(transaction)
            mode = await overall_mode(transaction, settings)
            next_due = await publications.next_due(transaction, mode)
            kept = await kept_back.counts(transaction, mode)
            changed = await accounts.change(transaction, Vendor.DESTINATION)
        follow(sum(counts.get(PublicationState(state), 0) for state in publications.WAITING))
        if next_due is None:
            if kept.in_dry_run:
                return f"{kept.in_dry_run:,} in a dry run; see gitpip publish --dry-run"
            return f"{kept.of_paused:,} of paused users" if kept.of_paused else None
        if changed:
            return (
                f"the token belongs to {changed.waiting.name}, the data to {changed.bound.name}; "
                "see gitpip accounts list"
            )
        if by_person:
            return of_persons_pause(by_person, now).sentence
        if pause:
            paused = f"paused {until(pause.until, now)}: {pause.reason}"
            advice = watching.advice_on(pauses.PUBLISHING, pause.cause)
            return f"{paused}. {advice}" if advice else paused
        if next_due > now + DRAIN_WAITS_FOR:
            return f"the next one is due at {day_and_clock(next_due, seconds=True)}"
        await asyncio.sleep(0.2)


async def add_user(
    settings: Settings,
    login: str,
    *,
    external_id: str | None,
    backfill: Backfill | None,
    details: users.Changes = users.NO_CHANGES,
) -> users.AddedUser:
    """Track a user; see `gitpip.actions.users.add_user`."""
    details = await chosen_targets.checked(details, AccountTargets(lambda: settings).check)
    async with opened(settings, makes=True) as database, github_of(settings, database) as github:
        address = GitHubAccountGuard(database, settings.github_api_url)

        async def find_account(login: str) -> Account:
            await address.check()
            return await github.account(login)

        return await user_actions.add_user(
            acting_on(database),
            login,
            external_id=external_id,
            backfill=backfill or settings.backfill,
            details=details,
            find_account=find_account,
        )


async def forecast_of(settings: Settings, login: str, backfill: Backfill | None) -> Forecast:
    """Return what adding a login would send at once. Raises InvalidInput, GitHubError."""
    check_login(login)
    async with opened(settings) as database, github_of(settings, database) as github:
        return await forecast(database, github, login, backfill or settings.backfill)
