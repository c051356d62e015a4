"""One look at one user: read GitHub's list, read what differs, store it, record how it went."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from gitpip.model import Account, CheckId, GistId, OnDelete, OnEdit, SeenGist, User
from gitpip.store import amendments, checks, gists, publications, schedule, users
from gitpip.store.database import Database
from gitpip.store.publications import NewPublication
from gitpip.store.schedule import Looked
from gitpip.telemetry import get_logger
from gitpip.watch import decide
from gitpip.watch.github import GistList, GitHub
from gitpip.watch.graphql import Glimpse

TURN = timedelta(minutes=1)
"""Who has more to read than fits this time is gone on with in the next check."""
CONFIRMED_AT_A_TIME = 30
"""So many gists that a list does not name any more are asked for, one by one, in one look."""

log = get_logger()


@dataclass(frozen=True)
class Rules:
    """What watching goes by."""

    interval: timedelta
    """Between two looks at a user who has no interval of their own."""
    on_edit: OnEdit = OnEdit.IGNORE
    on_delete: OnDelete = OnDelete.IGNORE


@dataclass
class Run:
    """What belongs to one check."""

    check_id: CheckId
    started_at: datetime
    eager: bool = False
    """Whether the budget allows to look more often at those with news lately."""
    token: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class _Batch:
    """What could be read of a few gists, and why the others could not."""

    read: tuple[SeenGist, ...]
    missing: tuple[GitHubError, ...]
    broken: tuple[GitHubError, ...]
    refused: GitHubLimited | GitHubUnauthorized | None


class Looker:
    """Looks at users one by one, by REST; several looks can be under way side by side."""

    def __init__(
        self, database: Database, github: GitHub, rules: Rules, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._github = github
        self._rules = rules
        self._now = now

    async def look_at(self, user: User, glimpse: Glimpse | None, run: Run) -> bool:
        """Read and store what is new of a claimed user; whether GitHub's list had not changed.

        `glimpse` is what the sweep saw just before. A failure that is this user's alone is
        recorded, and no exception. Raises GitHubLimited, GitHubUnauthorized, DatabaseUnavailable.
        """
        asked_at = self._now()
        try:
            user = await self._identified(user)
            return await self._read(user, glimpse, asked_at, run)
        except (GitHubLimited, GitHubUnauthorized, DatabaseUnavailable):
            raise
        except UserNotTracked:
            log.info("user.gone", login=user.login)
        except Exception as error:  # one user's failure must not stop the others
            await self._record_failure(user, error, run)
        return False

    async def _identified(self, user: User) -> User:
        if user.github_id is not None:
            return user
        account = await self._github.account(user.login)
        async with self._database.begin() as transaction:
            return await users.resolve(transaction, user.key, account)

    async def _read(
        self, user: User, glimpse: Glimpse | None, asked_at: datetime, run: Run
    ) -> bool:
        if user.github_id is None:
            raise UserNotTracked(f"{user.login} has no account yet")
        listed = await self._github.gists(user.github_id, user.etag if user.checked_at else None)
        async with self._database.read() as transaction:
            known_gists = await gists.known_gists(transaction, user.key)
            known_files = await gists.known_files(transaction, user.key)
        there = {gist_id for gist_id, gist in known_gists.items() if not gist.deleted}
        if glimpse and not (listed and listed.whole):
            named = there | {gist.id for gist in listed.gists} if listed else there
            if glimpse.gist_count < len(named):
                # Gists may be gone, or GraphQL was cut: only the whole list can tell.
                listed = await self._github.gists(user.github_id, None)
        if listed is None:
            await self._end(
                user, run, asked_at=asked_at, tag=user.etag, glimpse=glimpse, count=len(there)
            )
            return True
        differences = decide.compare(
            listed.gists, whole=listed.whole, known_gists=known_gists, known_files=known_files
        )
        gone = [
            gist_id
            for gist_id in differences.missing[:CONFIRMED_AT_A_TIME]
            if await self._github.is_gone(gist_id)
        ]
        await self._note_changes(user, differences, gone)
        count = len(there | {gist.id for gist in listed.gists}) - len(gone)
        await self._read_new(
            user, listed, differences.to_read, run, asked_at=asked_at, glimpse=glimpse, count=count
        )
        return False

    async def _note_changes(
        self, user: User, differences: decide.Differences, gone: Sequence[GistId]
    ) -> None:
        if not (differences.touched or differences.removed or gone):
            return
        now = self._now()
        async with self._database.begin() as transaction:
            if await users.lock(transaction, user.key) is None:
                raise UserNotTracked(f"{user.login} was removed meanwhile")
            await gists.touch(transaction, differences.touched)
            removed = await gists.mark_removed(
                transaction, user.key, files=differences.removed, gone=gone, now=now
            )
            if self._rules.on_delete is OnDelete.NOTE:
                await amendments.add(transaction, removed, now)
        for gist_id in gone:
            log.info("gist.deleted", login=user.login, gist_id=gist_id)
        for gist_id, filename in differences.removed:
            log.info("file.removed", login=user.login, gist_id=gist_id, filename=filename)

    async def _read_new(
        self,
        user: User,
        listed: GistList,
        new: Sequence[SeenGist],
        run: Run,
        *,
        asked_at: datetime,
        glimpse: Glimpse | None,
        count: int,
    ) -> None:
        skipped = decide.not_published(user, listed.gists)
        # Until all is stored, the tag stays as it was: the next look sees the same list again.
        tag = listed.tag
        broken: GitHubError | None = None
        batches = decide.in_batches(new)
        for number, gists_to_read in enumerate(batches, start=1):
            batch = await self._read_contents(gists_to_read)
            for error in (*batch.missing, *batch.broken):
                log.warning("gist.unreadable", login=user.login, reason=str(error))
                tag = user.etag
            broken = broken or next(iter(batch.broken), None)
            if batch.read:
                await self._store(user, batch.read, run, skipped=skipped)
            if batch.refused:
                raise batch.refused
            if batch.broken and not batch.read:
                break
            if number < len(batches) and self._now() - asked_at > TURN:
                await self._go_on_later(user, run)
                return
        if broken:
            raise broken
        await self._end(
            user,
            run,
            asked_at=asked_at,
            tag=tag,
            owner=listed.owner,
            glimpse=glimpse if tag == listed.tag else None,
            count=count,
        )

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
        run: Run,
        *,
        skipped: Mapping[GistId, str] = MappingProxyType({}),
    ) -> None:
        """Store gists in one transaction under the user's row lock, with their publications."""
        now = self._now()
        old = frozenset(
            gist.id
            for gist in found
            if user.checked_at is None and gist.created_at < user.created_at
        )
        async with self._database.begin() as transaction:
            locked = await users.lock(transaction, user.key)
            if locked is None:
                raise UserNotTracked(f"{user.login} was removed meanwhile")
            stored = await gists.store(transaction, locked, found, check_id=run.check_id, now=now)
            to_publish = [
                *stored.new,
                *(stored.edited if self._rules.on_edit is OnEdit.NEW else ()),
            ]
            await publications.add(
                transaction,
                user.key,
                [
                    NewPublication(
                        file.key,
                        file.gist_id,
                        file.filename,
                        revision=file.revision,
                        skipped_because=skipped.get(file.gist_id),
                        backfill=file.gist_id in old,
                    )
                    for file in to_publish
                ],
                now,
            )
            if self._rules.on_edit is OnEdit.UPDATE:
                await amendments.add(transaction, [file.key for file in stored.edited], now)
            await checks.add_results(
                transaction,
                run.check_id,
                gists=len({file.gist_id for file in stored.new}),
                files=len(stored.new),
            )
        for gist in found:
            for event, files in (("gist.found", stored.new), ("gist.edited", stored.edited)):
                if names := [file.filename for file in files if file.gist_id == gist.id]:
                    log.info(event, login=user.login, gist_id=gist.id, filenames=names)

    async def _go_on_later(self, user: User, run: Run) -> None:
        async with self._database.begin() as transaction:
            await schedule.put_back(transaction, [user.key], token=run.token, due_at=self._now())
        log.info("user.read_in_part", login=user.login)

    async def _end(
        self,
        user: User,
        run: Run,
        *,
        asked_at: datetime,
        tag: str | None,
        glimpse: Glimpse | None,
        count: int,
        owner: Account | None = None,
    ) -> None:
        """Conclude a look at which everything was stored."""
        now = self._now()
        account = owner or (glimpse.account if glimpse else None)
        async with self._database.begin() as transaction:
            locked = await users.lock(transaction, user.key)
            if locked is None:
                raise UserNotTracked(f"{user.login} was removed meanwhile")
            # Another user may bear the new login still, whose own rename waits: leave it for now.
            taken = account and await users.login_taken(
                transaction, account.login, by_other_than=user.key
            )
            if account and not taken:
                await schedule.record_accounts(transaction, {user.key: account})
            looked = Looked(
                user=user,
                asked_at=asked_at,
                next_check_at=self.next_look(locked, run),
                etag=user.etag if taken else tag,
                gist_count=count,
                sweep_mark=None if taken or not glimpse else glimpse.mark,
            )
            await schedule.record_successes(transaction, [looked], token=run.token, now=now)
            await checks.add_results(
                transaction,
                run.check_id,
                users=1,
                unchanged=int(tag == user.etag and user.etag is not None),
            )
        if account and not taken:
            log_rename(user, account)

    def next_look(self, user: User, run: Run) -> datetime:
        """When a user is due again who was looked at with success in this check."""
        interval = decide.interval_of(
            user, general=self._rules.interval, now=run.started_at, eager=run.eager
        )
        return decide.next_look(user.key, interval=interval, now=self._now())

    async def _record_failure(self, user: User, error: Exception, run: Run) -> None:
        interval = user.check_interval or self._rules.interval
        setback = decide.after_failure(user, error, now=self._now(), interval=interval)
        async with self._database.begin() as transaction:
            locked = await users.lock(transaction, user.key)
            if locked is None:
                return
            asked_for = locked.next_check_at > max(user.next_check_at, run.started_at)
            await schedule.record_failure(
                transaction,
                user.key,
                failure=setback.failure,
                failures=setback.failures,
                state=setback.state,
                next_check_at=locked.next_check_at if asked_for else setback.next_check_at,
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


def log_rename(user: User, account: Account) -> None:
    """Log a rename, if it is one."""
    if user.login != account.login:
        log.info("user.renamed", login=account.login, old_login=user.login)
