"""The reading of one user's gists: in batches, which are stored with what failed."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeGuard

from gitpip.backfill import BackfillKind
from gitpip.errors import (
    OWN_FAULT,
    DatabaseUnavailable,
    GistNotPublic,
    GitHubBlocked,
    GitHubError,
    GitHubLimited,
    GitHubNotFound,
    GitHubUnauthorized,
    GitpipError,
    UserNotTracked,
)
from gitpip.model import GistId, OnEdit, SeenGist, User
from gitpip.observability.logging import get_logger
from gitpip.store import events, ledger
from gitpip.store.database import Database, Transaction
from gitpip.store.events import NewEvent
from gitpip.store.gists import gists, unreadable
from gitpip.store.gists.gists import StoredChanges
from gitpip.store.gists.unreadable import Failure
from gitpip.store.publications import held, note_updates, publications
from gitpip.store.publications.publications import NewPublication
from gitpip.store.publications.recognition import WantedContent as Content
from gitpip.store.schema_events import EventKind
from gitpip.store.status import checks
from gitpip.store.status.checks import Results
from gitpip.store.status.future_times import TOLERANCE
from gitpip.store.users import backfills, users
from gitpip.watch import decide, flood
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.contents import GistToRead, Reading
from gitpip.watch.task import Task

LONGEST_READING = timedelta(minutes=1)
"""The longest reading of a user in one check. The rest is read in the next one."""
GISTS_SIDE_BY_SIDE = 2
"""The gists of a user that are read at once: those of other users continue while these hang."""
STORED_AFTER = timedelta(seconds=5)
"""The time after which gists that were read are stored, even if more of the batch waits: it may
hang."""
DOUBTED_AFTER = 5
"""The failures, with no gist read, after which other users' gists are requested."""
GISTS_PROBED = 3
"""The number of gists shown before, if possible of other users, that are requested in doubt."""
TELL_TROUBLE = 2
"""The fewest of these that must fail, all of them, to show a fault of GitHub: one may
always fail."""
TRIED_AGAIN = 2
"""The gists that failed before that are tried at a time. More follow if any of them is read.

With 5 % of the users in such trouble, all requests are less than 1.5 times those without.
"""

log = get_logger()


@dataclass
class _Batch:
    """The gists of a batch that could be read, and why the others could not."""

    read: list[Reading] = field(default_factory=list)
    failed: dict[GistId, str] = field(default_factory=dict)
    not_known_yet: set[GistId] = field(default_factory=set)
    """The failed gists that GitHub lists, but does not find when asked."""
    not_public: list[GistId] = field(default_factory=list)
    broken: list[GitHubError] = field(default_factory=list)
    """Failures that may be caused by GitHub rather than by a gist."""
    refused: GitHubLimited | GitHubUnauthorized | DatabaseUnavailable | None = None
    """The error that forbids to continue reading, if any."""

    def take(self, wanted: GistToRead, result: Reading | Exception) -> None:
        """Note the result of reading one gist."""
        match result:
            case Reading():
                self.read.append(result)
            case GitHubLimited() | GitHubUnauthorized() | DatabaseUnavailable():
                self.refused = result
            case GistNotPublic():
                self.not_public.append(wanted.gist_id)
            case _:
                self.failed[wanted.gist_id] = _reason(result)
                if isinstance(result, GitHubNotFound):
                    self.not_known_yet.add(wanted.gist_id)
                if _may_be_githubs(result):
                    self.broken.append(result)

    @property
    def tried(self) -> int:
        """The number of gists with any answer."""
        return len(self.read) + len(self.failed) + len(self.not_public)

    def failures(self, task: Task) -> list[Failure]:
        """Return everything that could not be read."""
        whole = [
            task.failure(gist_id, "", reason, lags=gist_id in self.not_known_yet)
            for gist_id, reason in self.failed.items()
        ]
        return whole + [
            task.failure(reading.gist.id, filename, reason)
            for reading in self.read
            for filename, reason in reading.unread.items()
        ]


class Reader:
    """Reads the contents of gists and stores them. A failure concerns only that gist or file."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        *,
        on_edit: OnEdit,
        hold_above: int,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._github = github
        self._on_edit = on_edit
        self._hold_above = hold_above
        self._now = now

    async def read(self, task: Task, *, since: datetime) -> bool:
        """Read and store; return whether all gists that never failed were tried since `since`.

        Gists that failed before come last, and only a few of them as long as they fail: nothing new
        waits for them. Raises GitHubLimited, GitHubUnauthorized, another GitHubError if GitHub
        itself has a fault, UserNotTracked and DatabaseUnavailable.
        """
        first = [one for one in task.wanted if one.gist_id not in task.again]
        left = len(first)
        failures: list[GitHubError] = []
        doubted = False
        for wanted in decide.in_batches(first, size_of=_size):
            waiting = deque(wanted)
            while waiting:
                if left < len(first) and self._is_over(since):
                    return False
                batch = await self._read_batch(task, waiting, in_doubt=doubted)
                left -= batch.tried
                failures = [] if batch.read else [*failures, *batch.broken]
                if len(failures) >= DOUBTED_AFTER and not doubted:
                    doubted = True
                    await self._doubt(task, failures[0])
        await self._read_again(task, since)
        return True

    def _is_over(self, since: datetime) -> bool:
        return self._now() - since > LONGEST_READING

    async def _read_again(self, task: Task, since: datetime) -> None:
        """Try what failed before, until a few in a row fail again. The others wait a minute."""
        waiting = deque(one for one in task.wanted if one.gist_id in task.again)
        while waiting and not self._is_over(since):
            few = deque(waiting.popleft() for _ in range(min(TRIED_AGAIN, len(waiting))))
            batch = await self._read_batch(task, few)
            if len(batch.failed) == batch.tried:
                return
            waiting.extendleft(reversed(few))

    async def _read_batch(
        self, task: Task, waiting: deque[GistToRead], *, in_doubt: bool = True
    ) -> _Batch:
        """Read some of the waiting gists, as far as GitHub gives them, and store them.

        Not all are read if that takes long. Unless it is `in_doubt`, it ends once there is reason
        for doubt. Raises errors that forbid to continue.
        """
        batch = _Batch()
        clock = asyncio.get_running_loop().time
        until = clock() + STORED_AFTER.total_seconds()

        def ends() -> bool:
            doubtful = len(batch.broken) >= DOUBTED_AFTER and not batch.read
            return clock() >= until or batch.refused is not None or (doubtful and not in_doubt)

        async def read() -> None:
            while waiting:
                one = waiting.popleft()
                try:
                    batch.take(one, await self._github.read(one))
                except Exception as error:  # the failure concerns only that gist
                    batch.take(one, error)
                if ends():
                    break

        async with asyncio.TaskGroup() as tasks:
            for _ in range(GISTS_SIDE_BY_SIDE):
                tasks.create_task(read())
        await self._keep(task, batch)
        if batch.refused:
            raise batch.refused
        return batch

    async def _doubt(self, task: Task, failure: GitHubError) -> None:
        """Raise the failure if it is GitHub's, which fails for gists that it showed before as well.

        Without several gists that it showed before, this can't be found out. Then the failures are
        attributed to the gists, each of which is tried once.
        """
        async with self._database.read() as transaction:
            known = await unreadable.shown_before(
                transaction,
                task.user.key,
                but={one.gist_id for one in task.wanted},
                limit=GISTS_PROBED,
            )
        results = await asyncio.gather(
            *(self._github.is_gone(gist_id) for gist_id in known), return_exceptions=True
        )
        for result in results:
            if isinstance(result, GitHubLimited | GitHubUnauthorized):
                raise result
            if isinstance(result, BaseException) and not isinstance(result, GitHubError):
                raise result
        fail = [isinstance(result, GitHubError) for result in results]
        if len(fail) >= TELL_TROUBLE and all(fail):
            log.warning("gists.githubs_trouble", login=task.user.login, reason=str(failure))
            raise failure

    async def _keep(self, task: Task, batch: _Batch) -> None:
        """Store a batch in one transaction, or, if that fails, each gist in one of its own."""
        try:
            await self._store(task, batch)
        except (DatabaseUnavailable, UserNotTracked):
            raise
        except Exception:
            log.warning("gists.not_stored", login=task.user.login, exc_info=True)
            rest = _Batch(
                failed=batch.failed,
                not_known_yet=batch.not_known_yet,
                not_public=batch.not_public,
            )
            for reading in batch.read:
                try:
                    await self._store(task, _Batch(read=[reading]))
                except (DatabaseUnavailable, UserNotTracked):
                    raise
                except Exception as error:
                    rest.failed[reading.gist.id] = _reason(error)
            await self._store(task, rest)

    async def _store(self, task: Task, batch: _Batch) -> None:
        failures = batch.failures(task)
        user, now = task.user, self._now()
        if not (failures or batch.read or batch.not_public):
            return
        found = [reading.gist for reading in batch.read if reading.gist.files or not reading.unread]
        async with self._database.begin() as transaction:
            # Adopting locks the ledger first, and then the users that it finds deals of.
            await ledger.share(transaction)
            locked = await users.lock(transaction, user.key)
            if locked is None:
                raise UserNotTracked(f"{user.login} was removed meanwhile")
            stored = await gists.store(transaction, locked, found, check_id=task.check_id, now=now)
            queued = self._publications(task, locked, stored, found)
            queued, edits = await self._with_edits(transaction, task, queued)
            because = await self._why_held(transaction, task, locked, queued, edits)
            queued = task.held(locked, queued, because)
            failures = task.held_failures(failures, because)
            await publications.add(
                transaction,
                user.key,
                queued,
                now,
                on_edit=self._on_edit,
                check_id=task.check_id,
            )
            await self._follow(transaction, task, locked, stored, queued)
            await publications.take_back_skips_of_deleted(transaction, stored.back, now)
            for reading in batch.read:
                await unreadable.resolve(
                    transaction, user.key, reading.gist.id, still_unread=reading.unread
                )
            for gist_id in batch.not_public:
                await unreadable.resolve(transaction, user.key, gist_id)
            new = await unreadable.record(transaction, user.key, failures, now)
            await events.record(transaction, now, *_events(user, stored, queued, new))
            results = Results(
                gists=len({file.gist_id for file in stored.new}),
                files=len(stored.new),
                note=_noted(user, new),
            )
            await checks.add_results(transaction, task.check_id, results)
        results.count()
        for failure in failures:
            log.warning(
                "gist.unreadable",
                login=user.login,
                gist_id=failure.gist_id,
                filename=failure.filename,
                reason=failure.reason,
            )
        if number_held := sum(one.held_because is not None for one in queued):
            log.warning("publications.held", login=user.login, files=number_held)
        for gist in found:
            for event, files in (("gist.found", stored.new), ("gist.edited", stored.edited)):
                if names := [file.filename for file in files if file.gist_id == gist.id]:
                    log.info(event, login=user.login, gist_id=gist.id, filenames=names)

    def _publications(
        self, task: Task, locked: User, stored: StoredChanges, found: Sequence[SeenGist]
    ) -> list[NewPublication]:
        """Return the publications of what was stored, also those that the rule skips."""
        skipped = task.judged(locked, found)
        old = {gist.id for gist in found if task.is_old(gist)}
        to_publish = [*stored.new, *(stored.edited if self._on_edit is OnEdit.NEW else ())]
        return [
            NewPublication(
                file.key,
                file.gist_id,
                file.filename,
                file.blob_hash,
                revision=file.revision,
                times=file.times,
                # The rule is about what existed at first: an edit is new.
                skipped_because=skipped.get(file.gist_id) if file.revision == 1 else None,
                backfill=file.gist_id in old,
            )
            for file in to_publish
        ]

    async def _with_edits(
        self, transaction: Transaction, task: Task, queued: Sequence[NewPublication]
    ) -> tuple[list[NewPublication], Mapping[GistId, int]]:
        """Let edits of files in Pipedrive pass the backfill rule, and count those listed.

        A rule about the past is no reason to lose the edit of a file that was published. But they
        are as new as any others, and can be a flood.
        """
        listed = (one.listed for one in task.wanted if one.listed and one.gist_id in task.skipped)
        candidates = {
            Content(gist.id, file.filename, 1, file.blob_hash)
            for gist in listed
            for file in gist.files
            if file.blob_hash
        }
        candidates |= {one.wanted for one in queued if one.skipped_because}
        edits = await publications.unsent_edits(transaction, candidates, self._on_edit)
        let_through = [
            replace(one, skipped_because=None, backfill=False) if one.wanted in edits else one
            for one in queued
        ]
        return let_through, Counter(one.gist_id for one in edits)

    async def _follow(
        self,
        transaction: Transaction,
        task: Task,
        locked: User,
        stored: StoredChanges,
        queued: Sequence[NewPublication],
    ) -> None:
        """Apply the other consequences of storing: count the past, and update notes."""
        let_through = {
            one.gist_id
            for one in queued
            if one.revision == 1 and one.backfill and not one.skipped_because
        }
        let_through.difference_update(task.known)  # a gist that was stored before has been counted
        if let_through and locked.backfill.kind is BackfillKind.LATEST:
            await backfills.take_of_backfill(transaction, locked, len(let_through))
        if self._on_edit is OnEdit.UPDATE:
            edited = [file.key for file in stored.edited]
            await note_updates.add(transaction, edited, self._now())

    async def _why_held(
        self,
        transaction: Transaction,
        task: Task,
        locked: User,
        new: Sequence[NewPublication],
        edits: Mapping[GistId, int],
    ) -> str | None:
        """Return why what was stored waits for a person's decision, or None if it does not.

        That is decided in the transaction that stores it, so that nothing can send it before.
        """
        counted = Counter(one.gist_id for one in new if task.counts(locked, one))
        if not self._hold_above or not (counted or task.planned or edits):
            return None
        queued = Counter(await self._queued_before(transaction, locked)) + counted
        files = flood.merged_counts(task.planned, edits, queued)
        if not flood.is_flood(locked, files, hold_above=self._hold_above):
            return None
        return (
            f"one of {sum(files.values()):,} files that would have been sent at once, far more "
            "than expected"
        )

    async def _queued_before(self, transaction: Transaction, user: User) -> dict[GistId, int]:
        """Return what this reading has queued before: a long one continues in several checks."""
        since = user.checked_at
        if user.found_at is None or (since is not None and user.found_at <= since):
            return {}
        asked_for = flood.is_asked_for(user, old=True)
        return await held.queued(
            transaction,
            user.key,
            after=since,
            before=self._now() + TOLERANCE,
            with_backfill=not asked_for,
        )


def _events(
    user: User, stored: StoredChanges, queued: Sequence[NewPublication], failures: Sequence[Failure]
) -> list[NewEvent]:
    """Return the events of storing these files, or of failing to read them for the first time."""
    happened = []
    for kind, files in (
        (EventKind.GIST_FOUND, stored.new),
        (EventKind.GIST_EDITED, stored.edited),
    ):
        names: dict[GistId, list[str]] = {}
        for file in files:
            names.setdefault(file.gist_id, []).append(file.filename)
        happened += [
            NewEvent(kind, user.key, gist_id, detail=", ".join(each))
            for gist_id, each in names.items()
        ]
    if kept := [one for one in queued if one.held_because]:
        reason = kept[0].held_because
        happened.append(NewEvent(EventKind.PUBLICATIONS_HELD, user.key, detail=reason))
    return happened + unreadable_events(user, failures)


def unreadable_events(user: User, failures: Sequence[Failure]) -> list[NewEvent]:
    """Return one event for each failure. An event about a list has no gist."""
    return [
        NewEvent(EventKind.GIST_UNREADABLE, user.key, one.gist_id or None, detail=_told(one))
        for one in failures
    ]


def _told(failure: Failure) -> str:
    if not failure.gist_id:
        return f"a part of the list of gists: {failure.reason}"
    return f"{failure.filename}: {failure.reason}" if failure.filename else failure.reason


def _size(wanted: GistToRead) -> int:
    return sum(file.size for file in wanted.listed.files) if wanted.listed else 0


def _may_be_githubs(error: Exception) -> TypeGuard[GitHubError]:
    return isinstance(error, GitHubError) and not isinstance(error, GitHubNotFound | GitHubBlocked)


def _noted(user: User, failures: Sequence[Failure]) -> str | None:
    """Return a line for the check about what could not be read for the first time."""
    if not failures:
        return None
    first = failures[0]
    file = f" ({first.filename})" if first.filename else ""
    others = f", and {len(failures) - 1} more" if len(failures) > 1 else ""
    return f"{user.login}: gist {first.gist_id}{file} could not be read: {first.reason}{others}"


def _reason(error: Exception) -> str:
    if isinstance(error, GitpipError):
        return str(error)
    log.error("gist.fault", exc_info=error)
    return OWN_FAULT
