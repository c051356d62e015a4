"""Work for once, done by the running service or, without one, by ourselves for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from gitpip.errors import (
    GitHubError,
    GitHubNotFound,
    GitpipError,
    InvalidInput,
    ServiceRunning,
    UserConflict,
)
from gitpip.model import (
    Account,
    Backfill,
    Check,
    CheckId,
    PublicationState,
    check_external_id,
    check_login,
)
from gitpip.service import opened, utc_now, working
from gitpip.settings import Settings
from gitpip.store import checks, operation, publications, users
from gitpip.store.database import Database
from gitpip.telemetry import get_logger
from gitpip.watch.github import GitHub

SOON = timedelta(minutes=2)
"""A drain waits for what is due within this time: long enough to settle what is uncertain."""

log = get_logger()


@asynccontextmanager
async def _served(settings: Settings, database: Database) -> AsyncIterator[None]:
    """Somebody who works: the service that runs already, or one of our own for a while."""
    try:
        async with AsyncExitStack() as stack:
            if database.is_sqlite or not await _is_served(database):
                await stack.enter_async_context(working(settings, database))
            yield
    except ServiceRunning:
        yield


async def _is_served(database: Database) -> bool:
    async with database.read() as transaction:
        return bool(await operation.running(transaction, utc_now()))


async def check_now(
    settings: Settings, follow: Callable[[Check, int], None] = lambda check, users: None
) -> Check:
    """Check every tracked user now, by the running service or by ourselves; give the result.

    `follow` is told how far it is, with the number of tracked users.
    """
    async with opened(settings) as database:
        async with database.begin() as transaction:
            check_id = await checks.request(transaction, utc_now())
        async with _served(settings, database):
            return await _follow_check(database, check_id, follow)


async def _follow_check(
    database: Database, check_id: CheckId, follow: Callable[[Check, int], None]
) -> Check:
    while True:
        async with database.read() as transaction:
            check = await checks.get(transaction, check_id)
            tracked = sum((await users.count(transaction)).values())
            pause = await operation.paused(transaction, operation.WATCHING, utc_now())
        follow(check, tracked)
        if check.ended_at:
            return check
        if pause:
            raise GitpipError(
                f"watching is paused until {pause.until:%H:%M:%S} UTC: {pause.reason}; "
                "the check will be made then"
            )
        await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Drained:
    """How a drain of the due publications ended; `reason` says why some still wait."""

    published: int
    failed: int
    waiting: int
    reason: str | None


async def publish_now(
    settings: Settings, follow: Callable[[int], None] = lambda waiting: None
) -> Drained:
    """Publish what is due, by the running service or by ourselves.

    It ends when nothing waits that is due soon, or when publishing is paused; `follow` is told how
    many wait. Raises GitpipError without PIPEDRIVE_TOKEN.
    """
    if settings.pipedrive_token is None:
        raise GitpipError("publishing waits for PIPEDRIVE_TOKEN; set it and try again")
    async with opened(settings) as database:
        async with database.read() as transaction:
            before = await publications.count(transaction)
        async with _served(settings, database):
            reason = await _follow_publishing(database, follow)
        async with database.read() as transaction:
            after = await publications.count(transaction)

    def gained(state: PublicationState) -> int:
        return after.get(state, 0) - before.get(state, 0)

    return Drained(
        published=gained(PublicationState.PUBLISHED),
        failed=gained(PublicationState.FAILED),
        waiting=sum(after.get(PublicationState(state), 0) for state in publications.WAITING),
        reason=reason,
    )


async def _follow_publishing(database: Database, follow: Callable[[int], None]) -> str | None:
    while True:
        now = utc_now()
        async with database.read() as transaction:
            pause = await operation.paused(transaction, operation.PUBLISHING, now)
            counts = await publications.count(transaction)
            next_due = await publications.next_due(transaction)
        follow(sum(counts.get(PublicationState(state), 0) for state in publications.WAITING))
        if next_due is None:
            return None
        if pause:
            return f"paused until {pause.until:%H:%M:%S} UTC: {pause.reason}"
        if next_due > now + SOON:
            return f"the next one is due at {next_due:%Y-%m-%d %H:%M:%S} UTC"
        await asyncio.sleep(0.2)


@dataclass(frozen=True)
class AddedUser:
    """What adding a user did: whether it is new, and whether GitHub confirmed that it exists."""

    login: str
    external_id: str
    new: bool
    confirmed: bool


async def add_user(
    settings: Settings, login: str, *, external_id: str | None, backfill: Backfill | None
) -> AddedUser:
    """Track a user, asking GitHub who that is.

    Raises GitHubNotFound, UserConflict. Where GitHub can't be asked now, a check asks later.
    """
    check_login(login)
    if external_id is not None:
        check_external_id(external_id)
    async with opened(settings) as database:
        account = await _account(settings, login)
        async with database.begin() as transaction:
            added = await users.add(
                transaction,
                login=account.login if account else login,
                external_id=external_id or (str(account.github_id) if account else login.lower()),
                github_id=account.github_id if account else None,
                node_id=account.node_id if account else None,
                backfill=backfill or settings.backfill,
                now=utc_now(),
            )
    return AddedUser(
        added.user.login, added.user.external_id, added.new, added.user.github_id is not None
    )


async def _account(settings: Settings, login: str) -> Account | None:
    async with GitHub(
        api_url=settings.github_api_url,
        token=settings.github_token.get_secret_value() if settings.github_token else None,
        timeout=settings.http_timeout,
    ) as github:
        try:
            return await github.account(login)
        except GitHubNotFound:
            raise
        except GitHubError as error:
            log.warning("user.unconfirmed", login=login, reason=str(error))
            return None


@dataclass(frozen=True)
class Imported:
    """What an import did; `faults` holds one line for each bad line of the file."""

    added: int
    known: int
    faults: tuple[str, ...]


async def import_users(settings: Settings, file: Path) -> Imported:
    """Track every user of a text file: one `login` or `login,id` a line, `#` for comments.

    Good lines are taken even where others are bad. GitHub is asked by the next check.
    """
    added = known = 0
    faults: list[str] = []
    async with opened(settings) as database:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip()
                if not text or text.startswith("#"):
                    continue
                login, _, external_id = (part.strip() for part in text.partition(","))
                try:
                    new = await _import_user(settings, database, login, external_id)
                except (InvalidInput, UserConflict) as error:
                    faults.append(f"{file.name}:{number}: {error}")
                    continue
                added, known = added + new, known + (not new)
    return Imported(added, known, tuple(faults))


async def _import_user(
    settings: Settings, database: Database, login: str, external_id: str
) -> bool:
    check_login(login)
    external_id = external_id or login.lower()
    check_external_id(external_id)
    async with database.begin() as transaction:
        added = await users.add(
            transaction,
            login=login,
            external_id=external_id,
            github_id=None,
            backfill=settings.backfill,
            now=utc_now(),
        )
    return added.new
