"""One check: ask GitHub about every user that is due, store what is new, record how it went."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import uuid4

from gitpip.errors import (
    DatabaseUnavailable,
    GitHubBlocked,
    GitHubError,
    GitHubLimited,
    GitHubNotFound,
    GitHubUnauthorized,
    GitpipError,
    UserNotTracked,
)
from gitpip.model import Check, CheckId, GistId, SeenGist, User
from gitpip.store import checks, gists, operation, publications, schedule, users
from gitpip.store.database import Database
from gitpip.store.publications import NewPublication
from gitpip.telemetry import get_logger
from gitpip.watch import decide
from gitpip.watch.github import GistList, GitHub

USERS_AT_A_TIME = 4
CLAIMED_AT_A_TIME = 20
LEASE = timedelta(minutes=10)
PAUSE_WITHOUT_ACCESS = timedelta(minutes=5)

log = get_logger()


@dataclass
class _Run:
    """What the workers of one check share."""

    check_id: CheckId
    started_at: datetime
    token: str = field(default_factory=lambda: uuid4().hex)
    claimed: deque[User] = field(default_factory=deque)
    claiming: asyncio.Lock = field(default_factory=asyncio.Lock)
    stopped_by: GitHubLimited | GitHubUnauthorized | None = None


@dataclass(frozen=True)
class _Batch:
    """What could be read of a few new gists, and why the others could not."""

    read: tuple[SeenGist, ...]
    missing: tuple[GitHubError, ...]
    broken: tuple[GitHubError, ...]
    refused: GitHubLimited | GitHubUnauthorized | None


class Watcher:
    """Looks at the tracked users, each once every `interval`.

    Several watchers can share a database: a user is claimed by one at a time, and should a claim
    run out, the user's row lock keeps anything from being stored twice.
    """

    def __init__(
        self,
        database: Database,
        github: GitHub,
        *,
        interval: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._github = github
        self._interval = interval
        self._now = now

    async def due(self) -> bool:
        """Whether a user waits for a look, or a check was asked for, and watching is not paused."""
        now = self._now()
        async with self._database.read() as transaction:
            if await operation.paused(transaction, operation.WATCHING, now):
                return False
            return await schedule.any_due(transaction, now) or await checks.any_open(transaction)

    async def run(self) -> Check | None:
        """Look at every user that is due now; None, with nothing done, while watching is paused.

        A limit that is used up, or a token that is refused, ends the check early and pauses
        watching; the users not looked at stay due. Raises DatabaseUnavailable.
        """
        now = self._now()
        async with self._database.begin() as transaction:
            if await operation.paused(transaction, operation.WATCHING, now):
                return None
            run = _Run(await checks.start(transaction, now), now)
        log.info("check.started", check_id=run.check_id)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(USERS_AT_A_TIME):
                    workers.create_task(self._work(run))
        except ExceptionGroup as group:
            await self._let_go(run)
            raise group.exceptions[0] from group
        except BaseException:
            await self._let_go(run)
            raise
        check = await self._end(run)
        log.info(
            "check.ended",
            check_id=check.id,
            users=check.users,
            unchanged=check.unchanged,
            failed=check.failed,
            gists=check.gists,
            files=check.files,
        )
        return check

    async def _work(self, run: _Run) -> None:
        while run.stopped_by is None and (user := await self._next(run)) is not None:
            try:
                await self._look_at(user, run)
            except (GitHubLimited, GitHubUnauthorized) as error:
                run.stopped_by = error

    async def _next(self, run: _Run) -> User | None:
        async with run.claiming:
            if not run.claimed:
                async with self._database.begin() as transaction:
                    run.claimed += await schedule.claim_due(
                        transaction,
                        token=run.token,
                        now=self._now(),
                        lease=LEASE,
                        limit=CLAIMED_AT_A_TIME,
                        # Else a check with more users than fit an interval would never end.
                        due_by=run.started_at,
                    )
            return run.claimed.popleft() if run.claimed else None

    async def _look_at(self, user: User, run: _Run) -> None:
        try:
            user = await self._identified(user)
            await self._read(user, run)
        except (GitHubLimited, GitHubUnauthorized, DatabaseUnavailable):
            raise
        except UserNotTracked:
            log.info("user.gone", login=user.login)
        except Exception as error:  # one user's failure must not stop the others
            await self._record_failure(user, error, run)

    async def _identified(self, user: User) -> User:
        if user.github_id is not None:
            return user
        account = await self._github.account(user.login)
        async with self._database.begin() as transaction:
            return await users.resolve(transaction, user.key, account)

    async def _read(self, user: User, run: _Run) -> None:
        if user.github_id is None:
            raise UserNotTracked(f"{user.login} has no account yet")
        listed = await self._github.gists(user.github_id, user.etag if user.checked_at else None)
        if listed is None:
            await self._store(user, (), run, tag=user.etag, unchanged=True)
            return
        async with self._database.read() as transaction:
            known_gists = await gists.known_gists(transaction, user.key)
            known_files = await gists.known_files(transaction, user.key)
        new = decide.new_gists(listed.gists, known_gists, known_files)
        await self._read_new(user, listed, new, run)

    async def _read_new(
        self, user: User, listed: GistList, new: Sequence[SeenGist], run: _Run
    ) -> None:
        skipped = decide.not_published(user, listed.gists)
        login = listed.owner.login if listed.owner else user.login
        # Until all is stored, the tag stays as it was: the next look sees the same list again.
        tag = listed.tag
        broken: GitHubError | None = None
        batches = decide.in_batches(new) or ((),)
        for number, gists_to_read in enumerate(batches, start=1):
            batch = await self._read_contents(gists_to_read)
            for error in (*batch.missing, *batch.broken):
                log.warning("gist.unreadable", login=user.login, reason=str(error))
                tag = user.etag
            broken = broken or next(iter(batch.broken), None)
            gives_up = batch.refused or (batch.broken and not batch.read)
            if gives_up or broken or number < len(batches):
                if batch.read:
                    await self._store(user, batch.read, run, skipped=skipped, ends=False)
            else:
                await self._store(user, batch.read, run, skipped=skipped, login=login, tag=tag)
            if batch.refused:
                raise batch.refused
            if gives_up:
                break
        if broken:
            raise broken

    async def _read_contents(self, batch: Sequence[SeenGist]) -> _Batch:
        """Read the contents of a few gists at once, as far as GitHub gives them."""
        results = await asyncio.gather(
            *(self._github.read(gist) for gist in batch), return_exceptions=True
        )
        read: list[SeenGist] = []
        missing: list[GitHubError] = []
        broken: list[GitHubError] = []
        refused: GitHubLimited | GitHubUnauthorized | None = None
        for result in results:
            match result:
                case SeenGist():
                    read.append(result)
                case GitHubLimited() | GitHubUnauthorized():
                    refused = result
                case GitHubNotFound() | GitHubBlocked():
                    missing.append(result)
                case GitHubError():
                    broken.append(result)
                case _:
                    raise result
        return _Batch(tuple(read), tuple(missing), tuple(broken), refused)

    async def _store(
        self,
        user: User,
        found: Sequence[SeenGist],
        run: _Run,
        *,
        skipped: Mapping[GistId, str] = MappingProxyType({}),
        login: str | None = None,
        tag: str | None = None,
        unchanged: bool = False,
        ends: bool = True,
    ) -> None:
        """Store gists in one transaction under the user's row lock; `ends` concludes the look."""
        now = self._now()
        async with self._database.begin() as transaction:
            locked = await users.lock(transaction, user.key)
            if locked is None:
                raise UserNotTracked(f"{user.login} was removed meanwhile")
            new = await gists.store(transaction, locked, found, check_id=run.check_id, now=now)
            await publications.add(
                transaction,
                user.key,
                [
                    NewPublication(file.key, file.gist_id, file.filename, skipped.get(file.gist_id))
                    for file in new
                ],
                now,
            )
            new_login = login or locked.login
            if new_login != locked.login and await users.login_taken(
                transaction, new_login, by_other_than=user.key
            ):
                # The other user was renamed as well; after their next look it will be free.
                new_login, tag = locked.login, user.etag
            if ends:
                await schedule.record_success(
                    transaction,
                    user.key,
                    login=new_login,
                    github_id=user.github_id,
                    etag=tag,
                    now=now,
                    next_check_at=self._wanted(user, locked, run)
                    or decide.after_success(started_at=run.started_at, interval=self._interval),
                )
            await checks.add_results(
                transaction,
                run.check_id,
                users=int(ends),
                unchanged=int(unchanged),
                gists=len({file.gist_id for file in new}),
                files=len(new),
            )
        if new_login != locked.login:
            log.info("user.renamed", login=new_login, old_login=locked.login)
        for gist in found:
            names = [file.filename for file in new if file.gist_id == gist.id]
            if names:
                log.info("gist.found", login=new_login, gist_id=gist.id, filenames=names)

    async def _record_failure(self, user: User, error: Exception, run: _Run) -> None:
        setback = decide.after_failure(user, error, now=self._now(), interval=self._interval)
        async with self._database.begin() as transaction:
            locked = await users.lock(transaction, user.key)
            if locked is None:
                return
            await schedule.record_failure(
                transaction,
                user.key,
                failure=setback.failure,
                failures=setback.failures,
                state=setback.state,
                next_check_at=self._wanted(user, locked, run) or setback.next_check_at,
            )
            await checks.add_results(
                transaction, run.check_id, users=1, failures=[f"{user.login}: {setback.failure}"]
            )
        log.warning(
            "user.failed",
            login=user.login,
            reason=setback.failure,
            exc_info=None if isinstance(error, GitpipError) else error,
        )

    @staticmethod
    def _wanted(user: User, locked: User, run: _Run) -> datetime | None:
        """When somebody asked for this user during the look, which may have come too early."""
        asked_for = locked.next_check_at > max(user.next_check_at, run.started_at)
        return locked.next_check_at if asked_for else None

    async def _end(self, run: _Run) -> Check:
        now = self._now()
        async with self._database.begin() as transaction:
            if run.stopped_by:
                reason = str(run.stopped_by)
                until = (
                    run.stopped_by.until
                    if isinstance(run.stopped_by, GitHubLimited)
                    else now + PAUSE_WITHOUT_ACCESS
                )
                await operation.pause(transaction, operation.WATCHING, until=until, reason=reason)
                await checks.add_results(transaction, run.check_id, note=reason)
                log.warning("watching.paused", until=until, reason=reason)
            await schedule.release(transaction, run.token)
            await checks.end(transaction, run.check_id, now)
        async with self._database.read() as transaction:
            return await checks.get(transaction, run.check_id)

    async def _let_go(self, run: _Run) -> None:
        """Hand the claimed users back, so that whoever comes next need not await the lease."""
        try:
            async with self._database.begin() as transaction:
                await schedule.release(transaction, run.token)
        except DatabaseUnavailable as error:
            log.warning("check.claims_kept", check_id=run.check_id, reason=str(error))
