"""The check of one user: reads GitHub's list and what differs, stores it, records the result."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

from gitpip.errors import (
    DatabaseUnavailable,
    GitHubError,
    GitHubLimited,
    GitHubNotFound,
    GitHubUnauthorized,
    GitpipError,
    UserNotTracked,
)
from gitpip.model import (
    CheckId,
    FileKey,
    GistId,
    GitHubId,
    OnDelete,
    OnEdit,
    Unreadable,
    User,
    UserState,
)
from gitpip.observability.logging import get_logger
from gitpip.store import events, ledger
from gitpip.store.database import Database, Transaction
from gitpip.store.events import NewEvent
from gitpip.store.gists import gists, removals, unreadable
from gitpip.store.gists.removals import Removed
from gitpip.store.gists.unreadable import Failure
from gitpip.store.publications import note_updates, publications
from gitpip.store.schema_events import EventKind
from gitpip.store.status import checks
from gitpip.store.status.checks import Results
from gitpip.store.users import account_match, backfills, renames, schedule, users
from gitpip.store.users.renames import Renames
from gitpip.store.users.schedule import CheckedUser
from gitpip.watch import decide, flood
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.gist_list import GistList
from gitpip.watch.github.graphql import Snapshot
from gitpip.watch.reading import LONGEST_READING, Reader, unreadable_events
from gitpip.watch.snapshot import Doubts, StoredGists, UserCheckResult
from gitpip.watch.task import Task

CONFIRMED_AT_A_TIME = 30
"""The gists that a list no longer names that are requested, one by one, in one check."""
CONFIRMED_SIDE_BY_SIDE = 2
"""Those requested at once, fewer than may be under way: other users' continue while these hang."""

log = get_logger()


@dataclass(frozen=True)
class Rules:
    """The settings of watching."""

    interval: timedelta
    """The time between two checks of a user without an interval of their own."""
    on_edit: OnEdit = OnEdit.IGNORE
    on_delete: OnDelete = OnDelete.IGNORE
    publish_deleted: bool = True
    """Whether files that GitHub no longer shows are published, if they were not sent before."""
    hold_above: int = 300
    """The number of files at once above which a person decides whether they are published; 0 never
    asks."""


@dataclass
class CheckContext:
    """The data of one check."""

    check_id: CheckId
    started_at: datetime
    eager: bool = False
    """Whether the budget allows more frequent checks of users with something new recently."""
    token: str = field(default_factory=lambda: uuid4().hex)


class UserChecker:
    """Checks users one by one, by REST. Several can be checked at once."""

    def __init__(
        self, database: Database, github: GitHub, rules: Rules, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._github = github
        self._rules = rules
        self._now = now
        self._reader = Reader(
            database, github, on_edit=rules.on_edit, hold_above=rules.hold_above, now=now
        )

    async def check(self, user: User, snapshot: Snapshot | None, run: CheckContext) -> bool:
        """Read and store what is new of a claimed user; return whether GitHub answered.

        `snapshot` is what the batch poll saw just before. A failure that concerns only this user is
        recorded and not raised. Raises GitHubLimited, GitHubUnauthorized, DatabaseUnavailable.
        """
        asked_at = self._now()
        try:
            user = await self._identified(user)
            await self._read(user, snapshot, asked_at, run)
            return True
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
        try:
            account = await self._github.account(user.login)
        except GitHubNotFound:
            # Without the client's advice: the status says what to do in its own sentence.
            raise GitHubNotFound(f"GitHub has no user {user.login}") from None
        async with self._database.begin() as transaction:
            return await account_match.resolve(transaction, user.key, account)

    async def _read(
        self,
        user: User,
        snapshot: Snapshot | None,
        asked_at: datetime,
        run: CheckContext,
        *,
        whole: bool = False,
    ) -> None:
        if user.github_id is None:
            raise UserNotTracked(f"{user.login} has no account yet")
        known = await self._known(user)
        listed = await self._list(user, user.github_id, snapshot, known, whole=whole)
        differences = decide.compare(
            listed.gists,
            whole=listed.whole,
            known_gists=known.gists,
            known_files=known.files,
            retries=known.retries,
            also_named=listed.odd,
        )
        user = await self._added_by_githubs_clock(user)
        missing = differences.missing[:CONFIRMED_AT_A_TIME]
        asked = dict.fromkeys([*missing, *known.in_question(listed)])
        doubts = await self._doubts(asked, known.too_recent(asked, listed))
        task = self._task(user, listed, differences, known, run)
        task = replace(task, wanted=[w for w in task.wanted if w.gist_id not in doubts.settled])
        await self._note(task, listed, differences, doubts)
        if not await self._reader.read(task, since=asked_at):
            await self._go_on_later(user, run)
            return
        if listed.unchanged and await self._could_read_again(task):
            # An answer about a gist can be older than the list, which names what the answer lacks.
            await self._read(user, snapshot, asked_at, run, whole=True)
            return
        there = known.there | listed.odd.keys() | {gist.id for gist in listed.gists}
        await self._end(
            user,
            run,
            UserCheckResult(
                asked_at=asked_at,
                listed=listed,
                snapshot=snapshot,
                there=there.difference(doubts.gone),
                doubt=known.doubt_after(
                    snapshot,
                    listed,
                    there.difference(doubts.gone),
                    self._now(),
                    graphql_answers=self._graphql_answers(user),
                ),
            ),
        )

    async def _list(
        self,
        user: User,
        github_id: GitHubId,
        snapshot: Snapshot | None,
        known: StoredGists,
        *,
        whole: bool,
    ) -> GistList:
        """Return the user's gists by REST: those since the last list, or all if necessary."""
        # Only the list distinguishes a gist that is named but can't be read from a deleted one.
        whole = whole or known.retries.whole_list or bool(known.in_doubt)
        list_tag = user.etag if user.checked_at and not whole else None
        listed = await self._github.gists(github_id, list_tag)
        if snapshot and not listed.whole:
            named = known.there | {gist.id for gist in listed.gists}
            if snapshot.gist_count < len(named):
                # Gists may be deleted, or GraphQL was cut: only the complete list can tell.
                return await self._github.gists(github_id, None)
        return listed

    async def _could_read_again(self, task: Task) -> bool:
        """Return whether something that failed before was read now."""
        tried = {one.gist_id for one in task.wanted if one.gist_id in task.again}
        if not tried:
            return False
        async with self._database.read() as transaction:
            unread = await unreadable.of_user(transaction, task.user.key)
        return bool(tried.difference(row.gist_id for row in unread))

    def _graphql_answers(self, user: User) -> bool:
        """Return whether GraphQL can be asked about a user, as far as is known."""
        until = user.graphql_refused_until
        return self._github.polls_batches and (until is None or until <= self._now())

    async def _added_by_githubs_clock(self, user: User) -> User:
        if not (user.added_by_our_clock and self._github.knows_the_time):
            return user
        async with self._database.begin() as transaction:
            return await backfills.correct_added_at(
                transaction, user, ahead=self._github.clock_ahead, now=self._now()
            )

    async def _known(self, user: User) -> StoredGists:
        async with self._database.read() as transaction:
            unread = await unreadable.of_user(transaction, user.key)
            return StoredGists(
                await gists.known_gists(transaction, user.key),
                await gists.known_files(transaction, user.key),
                unread,
                decide.retries(unread, self._now()),
            )

    async def _doubts(self, in_doubt: Iterable[GistId], too_recent: Collection[GistId]) -> Doubts:
        """Ask about gists one by one, as a list can miss one that exists.

        Gists without an answer when the user's turn is over are unclear, and so are those that are
        `too_recent` for an answer.
        """
        answers: dict[GistId, bool] = {}
        unclear = dict.fromkeys(too_recent, "the gist list no longer shows it, and may be behind")
        asked = [gist_id for gist_id in in_doubt if gist_id not in unclear]
        waiting = iter(asked)

        async def ask() -> None:
            for gist_id in waiting:
                try:
                    answers[gist_id] = await self._github.is_gone(gist_id)
                except (GitHubLimited, GitHubUnauthorized):
                    raise
                except GitHubError as error:
                    unclear[gist_id] = f"whether it was deleted could not be found out: {error}"

        try:
            longest = LONGEST_READING.total_seconds()
            async with asyncio.timeout(longest), asyncio.TaskGroup() as tasks:
                for _ in range(CONFIRMED_SIDE_BY_SIDE):
                    tasks.create_task(ask())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        except TimeoutError:
            log.info("gists.unclear", asked=len(asked), answered=len(answers) + len(unclear))
        for gist_id in asked:
            if gist_id not in answers:
                unclear.setdefault(
                    gist_id,
                    "whether it was deleted could not be found out: GitHub answers too slowly",
                )
        return Doubts(
            gone=tuple(gist_id for gist_id in asked if answers.get(gist_id) is True),
            there=tuple(gist_id for gist_id in asked if answers.get(gist_id) is False),
            unclear=unclear,
        )

    def _task(
        self,
        user: User,
        listed: GistList,
        differences: decide.Differences,
        known: StoredGists,
        run: CheckContext,
    ) -> Task:
        """Return what is to be read: new and edited gists, oldest first, then what failed before.

        The latter are sorted: those that failed least often come first, then the newest.
        """
        by_id = {gist.id: gist for gist in listed.gists}
        in_doubt = {*differences.missing, *(gist.id for gist in differences.to_read)}
        odd = listed.odd.keys() - known.retries.waiting_gists
        again = (known.retries.gists | odd) - in_doubt
        if listed.whole and not listed.fault:
            again &= by_id.keys() | listed.odd.keys()
        owner = GitHubId(user.github_id or 0)
        to_read = [gist.id for gist in differences.to_read]
        wanted = [id_ for id_ in to_read if id_ not in known.retries.gists]
        wanted += sorted(again - known.retries.gists)
        wanted += known.in_turn({*to_read, *again} & known.retries.gists, listed)
        task = Task(
            user,
            run.check_id,
            [known.wanted(owner, gist_id, by_id.get(gist_id)) for gist_id in wanted],
            known=known.gists.keys(),
            unread=known.unread,
            again=known.retries.gists,
        )
        new = [by_id[gist_id] for gist_id in wanted if gist_id in by_id]
        skipped = decide.skipped_by_backfill(user, new, known=task.known, rows=task.rows)
        task = replace(task, skipped=skipped)
        return replace(task, planned=self._planned(task, listed, known))

    def _planned(self, task: Task, listed: GistList, known: StoredGists) -> dict[GistId, int]:
        """Return how many files of each listed gist are to be published and were not asked for."""
        skipped = {*task.skipped, *(row.gist_id for row in task.unread if row.skipped_because)}
        wanted = {*(one.gist_id for one in task.wanted), *(row.gist_id for row in task.unread)}
        counted = [
            gist
            for gist in listed.gists
            if gist.id in wanted and not flood.is_asked_for(task.user, old=task.is_old(gist))
        ]
        edits = self._rules.on_edit is OnEdit.NEW
        return flood.planned(counted, known.files, skipped=skipped, edits=edits)

    async def _note(
        self, task: Task, listed: GistList, differences: decide.Differences, doubts: Doubts
    ) -> None:
        """Store what the list says without reading any gist."""
        user, now = task.user, self._now()
        failures = [task.failure(id_, "", reason) for id_, reason in doubts.unclear.items()]
        if listed.fault:
            failures.append(task.failure(unreadable.NO_GIST, "", listed.fault))
        over = {*doubts.gone, *(set(doubts.there) & set(differences.missing))}
        if listed.whole and not listed.fault:
            named = {gist.id for gist in listed.gists}.union(listed.odd, differences.missing)
            over |= {row.gist_id for row in task.unread if row.gist_id not in named}
            over.discard(unreadable.NO_GIST)  # until all that the list shows was tried
        over &= {row.gist_id for row in task.unread}
        if not (failures or over or differences.touched or differences.removed or doubts.gone):
            return
        async with self._database.begin() as transaction:
            # Adopting locks the ledger first, and then publications and users.
            await ledger.share(transaction)
            if await users.lock(transaction, user.key) is None:
                raise UserNotTracked(f"{user.login} was removed meanwhile")
            await gists.touch(transaction, differences.touched)
            removed = await removals.note(
                transaction, user.key, files=differences.removed, gone=doubts.gone, now=now
            )
            await self._follow_removal(transaction, removed.keys, now)
            for gist_id in over:
                await unreadable.resolve(transaction, user.key, gist_id)
            new = await unreadable.record(transaction, user.key, failures, now)
            happened = [*_removals(user, removed), *unreadable_events(user, new)]
            await events.record(transaction, now, *happened)
        for failure in failures:
            log.warning(
                "gist.unreadable",
                login=user.login,
                gist_id=failure.gist_id,
                filename="",
                reason=failure.reason,
            )
        for gist_id in removed.gists:
            log.info("gist.deleted", login=user.login, gist_id=gist_id)
        for gist_id, filename in removed.files:
            log.info("file.removed", login=user.login, gist_id=gist_id, filename=filename)

    async def _follow_removal(
        self, transaction: Transaction, removed: Sequence[FileKey], now: datetime
    ) -> None:
        """Apply the rules on files that GitHub no longer shows to publications."""
        if self._rules.on_delete is OnDelete.NOTE:
            await note_updates.add(transaction, removed, now)
        if not self._rules.publish_deleted:
            await publications.skip_deleted(transaction, removed, now)

    async def _go_on_later(self, user: User, run: CheckContext) -> None:
        async with self._database.begin() as transaction:
            await schedule.put_back(transaction, [user.key], token=run.token, due_at=self._now())
        log.info("user.read_in_part", login=user.login)

    async def _end(self, user: User, run: CheckContext, seen: UserCheckResult) -> None:
        """Conclude a check in which everything readable was stored."""
        now, list_tag = self._now(), seen.listed.list_tag
        account = seen.listed.owner or (seen.snapshot.account if seen.snapshot else None)
        async with self._database.begin() as transaction:
            locked = await users.lock(transaction, user.key)
            if locked is None:
                raise UserNotTracked(f"{user.login} was removed meanwhile")
            seen_accounts = [(user, account)] if account else []
            followed = await renames.follow(transaction, seen_accounts, now)
            waits = user.key in followed.waiting
            unread = await self._note_list(transaction, user, seen)
            as_of = seen.listed.as_of
            checked = CheckedUser(
                user=user,
                asked_at=seen.asked_at,
                next_check_at=min(
                    [
                        self.next_check(locked, run),
                        *(_next_try(row, now) for row in unread),
                        *self._retry_of_lagging_list(user, seen),
                    ]
                ),
                etag=user.etag if waits else list_tag,
                gist_count=len(seen.there),
                sweep_mark=None if waits else seen.mark(user),
                listed_at=now - self._github.clock_ahead if seen.list_told else None,
                known_until=decide.known_until(as_of) if as_of and not unread else None,
            )
            await schedule.record_successes(transaction, [checked], token=run.token, now=now)
            unchanged = list_tag == user.etag and user.etag is not None
            results = Results(users=1, unchanged=int(unchanged))
            await checks.add_results(transaction, run.check_id, results)
        results.count()
        if seen.doubt:
            log.info("user.list_behind", login=user.login, reason=seen.doubt)
        log_renames(followed)

    def _retry_of_lagging_list(self, user: User, seen: UserCheckResult) -> Sequence[datetime]:
        """Return when to ask GraphQL about a user whose list does not show what a hint did."""
        unconfirmed = user.hinted_at is not None and seen.snapshot is None and seen.listed.unchanged
        if not (unconfirmed and self._github.polls_batches):
            return ()
        return (self._now() + unreadable.FIRST_RETRY_OF_A_LAG,)

    async def _note_list(
        self, transaction: Transaction, user: User, seen: UserCheckResult
    ) -> tuple[Unreadable, ...]:
        """Record whether the complete list was read; return what is unread of the user now."""
        await unreadable.resolve(
            transaction, user.key, unreadable.NO_GIST, still_unread=seen.still_unread
        )
        if seen.doubt:
            behind = Failure(unreadable.NO_GIST, unreadable.DOUBT, seen.doubt, lags=True)
            await unreadable.record(transaction, user.key, [behind], self._now())
        return await unreadable.of_user(transaction, user.key)

    def next_check(self, user: User, run: CheckContext) -> datetime:
        """Return when a user is due again who was checked with success."""
        interval = decide.interval_of(
            user, general=self._rules.interval, now=run.started_at, eager=run.eager
        )
        return decide.next_check(user.key, interval=interval, now=self._now())

    def without_graphql(self, user: User) -> timedelta:
        """Return how long this user is checked by REST alone after GraphQL failed for it."""
        interval = user.check_interval or self._rules.interval
        return decide.without_graphql(user.graphql_refusals + 1, interval=interval)

    async def _record_failure(self, user: User, error: Exception, run: CheckContext) -> None:
        interval = user.check_interval or self._rules.interval
        failed = decide.after_failure(user, error, now=self._now(), interval=interval)
        async with self._database.begin() as transaction:
            locked = await users.lock(transaction, user.key)
            if locked is None:
                return
            if locked.next_check_at > max(user.next_check_at, run.started_at):  # it was asked for
                failed = replace(failed, next_check_at=locked.next_check_at)
            await schedule.record_failure(transaction, user.key, failed)
            if failed.state is UserState.UNAVAILABLE and locked.state is UserState.ACTIVE:
                happened = NewEvent(EventKind.USER_UNAVAILABLE, user.key, detail=failed.failure)
                await events.record(transaction, self._now(), happened)
            results = Results(users=1, failures=[f"{user.login}: {failed.failure}"])
            await checks.add_results(transaction, run.check_id, results)
        results.count()
        log.warning(
            "user.failed",
            login=user.login,
            reason=failed.failure,
            exc_info=None if isinstance(error, GitpipError) else error,
        )


def _removals(user: User, removed: Removed) -> list[NewEvent]:
    return [
        *(NewEvent(EventKind.GIST_DELETED, user.key, gist_id) for gist_id in removed.gists),
        *(
            NewEvent(EventKind.FILE_REMOVED, user.key, gist_id, detail=filename)
            for gist_id, filename in removed.files
        ),
    ]


def _next_try(row: Unreadable, now: datetime) -> datetime:
    """Return when something unread is tried again. Without a turn, it waits as at first."""
    return row.next_try_at if row.next_try_at > now else now + unreadable.FIRST_READ_RETRY


def log_renames(followed: Renames) -> None:
    """Log the renames that were followed."""
    for each in followed.renamed:
        log.info("user.renamed", login=each.login, old_login=each.old_login)
