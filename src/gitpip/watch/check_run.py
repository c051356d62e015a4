"""The work of one check: a batch poll finds changed users, and several are checked at once."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from gitpip.clock import loop_time
from gitpip.errors import (
    GitHubAskedToWait,
    GitHubError,
    GitHubLimited,
    GitHubUnauthorized,
    GitHubUnavailable,
    GraphQLFailed,
    GraphQLHidesGists,
    GraphQLUnusable,
    UserConflict,
    UserNotTracked,
)
from gitpip.model import Pause, PauseCause, User
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database, Transaction
from gitpip.store.status import checks, pauses
from gitpip.store.status.checks import Results
from gitpip.store.users import account_match, backfills, renames, schedule, users
from gitpip.store.users.schedule import CheckedUser
from gitpip.watch import decide
from gitpip.watch.batch_poll import BatchPoller, Polled
from gitpip.watch.github.client import GitHub
from gitpip.watch.github.graphql import Snapshot
from gitpip.watch.lanes import Lanes, SlowUsers
from gitpip.watch.user_check import CheckContext, UserChecker, log_renames

CLAIMED_AT_A_TIME = 20
USER_LEASE = timedelta(seconds=20)
"""The time for which a claim outlives its holder. It is renewed while the check of a user lasts."""
LONGEST_CHECK = timedelta(minutes=5)
"""The time after which a check claims no more users, however slow the checks of users are."""
CLAIMED_AGAIN_AFTER = timedelta(seconds=1)
SLOW_QUERY = timedelta(seconds=2)
"""The time after which a query of the batch poll is slow, so that other users are asked about: a
query about some users may hang."""
SLOW_QUERIES = 4
"""The parts of the batch poll that may be slow at once, each with one query at a time. That is half
of the requests that may be under way. Queries about suspected users are at most
`batch_poll.QUERIES_SIDE_BY_SIDE`, in all parts together."""
AFTER_THE_OTHERS = timedelta(seconds=5)
"""The time after the others at which a user that made GitHub ask to wait is due again."""
LISTED_AT_A_TIME = 30
"""The lists known only from the batch poll that are read before due users are claimed again: a
million in a month, even if some user is always due."""

log = get_logger()


class _CheckMode(Enum):
    """The API of GitHub that is asked about due users."""

    BATCH_POLL = auto()
    """GraphQL, about many users at once."""
    PROBE = auto()
    """GraphQL, about one user first, because it failed recently."""
    REST = auto()
    """REST, about one user after another."""


@dataclass(frozen=True)
class Checkers:
    """The checkers, which keep what they learned from one check to the next."""

    one: UserChecker
    """Checks one user, by REST."""
    many: BatchPoller
    """Asks about many users at once, by GraphQL."""
    slow: SlowUsers


class CheckRun:
    """The work of one check: a batch poll finds changed users, and several are checked at once."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        *,
        checkers: Checkers,
        run: CheckContext,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._github = github
        self._checker = checkers.one
        self._batch_poll = checkers.many
        self._run = run
        self._now = now
        self._lanes = Lanes(self._check_user, checkers.slow)
        self._mode = _CheckMode.BATCH_POLL if github.polls_batches else _CheckMode.REST
        self._slow_polls: set[asyncio.Task[None]] = set()
        """Batch polls of some users that take long."""
        self.reading_stopped: GitHubLimited | GitHubUnauthorized | None = None
        """The error that ended this check, or its reading, early."""
        self.rest_answered = False
        """Whether REST answered about a user, so that a pause of reading is over."""

    async def run(self) -> None:
        """Check all users that are due; raises DatabaseUnavailable."""
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(self._renew())
                async with asyncio.TaskGroup() as work:
                    work.create_task(self._claim_all(work))
                    work.create_task(self._lanes.run())
                renewing.cancel()
        except ExceptionGroup as group:
            raise _first_of(group) from group

    async def _renew(self) -> None:
        """Renew the claims: a check can take longer than a lease.

        A lease is short, so that a killed process loses its users soon.
        """
        while True:
            await asyncio.sleep(USER_LEASE.total_seconds() / 4)
            async with self._database.begin() as transaction:
                await schedule.renew(transaction, self._run.token, until=self._now() + USER_LEASE)

    async def _claim_all(self, tasks: asyncio.TaskGroup) -> None:
        """Claim users until none is left and all checks of users are over.

        One slow user must not make the others wait, so users are claimed while it is read, or while
        GraphQL takes long to answer about it.
        """
        ends_by = loop_time() + LONGEST_CHECK.total_seconds()
        while not self._must_stop:
            claimed = await self._claim()
            now = self._now()
            direct = [user for user in claimed if self._asks_rest(user, now)]
            for user in direct:
                await self._lanes.put(user, None)
            await self._ask_graphql([user for user in claimed if user not in direct], tasks)
            if claimed:
                continue
            if self._slow_polls:
                await asyncio.wait(self._slow_polls, timeout=CLAIMED_AGAIN_AFTER.total_seconds())
            elif loop_time() > ends_by or await self._lanes.all_end(CLAIMED_AGAIN_AFTER):
                break
        if self._slow_polls:
            await asyncio.wait(self._slow_polls)
        await self._read_unlisted()
        if waiting := await self._lanes.close():
            await self._put_back(waiting, due_at=None)

    async def _read_unlisted(self) -> None:
        """Read lists that REST has not shown for long, with requests that are not needed otherwise.

        Due users come first: this runs once none is left, and ends when one is due.
        """
        left = self._github.spare
        claimed: Sequence[User] = ()
        while number := min(left, self._github.spare, LISTED_AT_A_TIME):
            claimed = await self._claim_unlisted(number, unless_due=bool(claimed))
            if not claimed:
                break
            left -= len(claimed)
            for user in claimed:
                await self._lanes.put(user, None)

    async def _claim_unlisted(self, number: int, *, unless_due: bool) -> Sequence[User]:
        if self._mode is not _CheckMode.BATCH_POLL or self.reading_stopped:
            return ()
        now = self._now()
        async with self._database.begin() as transaction:
            if unless_due and await schedule.any_due(transaction, now):
                return ()
            if await pauses.paused(
                transaction, pauses.READING, now, credential=self._github.fingerprint
            ):
                return ()
            claimed = await schedule.claim_unlisted(
                transaction,
                token=self._run.token,
                now=now,
                lease=USER_LEASE,
                limit=number,
                listed_before=now - schedule.LISTED_EVERY,
            )
            if claimed:
                results = Results(listed=len(claimed))
                await checks.add_results(transaction, self._run.check_id, results)
        return claimed

    async def _due_by(self, transaction: Transaction) -> datetime:
        """Return the time after which users that become due wait for the next check.

        Without it, a check with more users than fit an interval would never end. A slow check of a
        user moves it, unless another check was requested, which will check the users, or REST may
        no longer be asked.
        """
        if self.reading_stopped:
            return self._run.started_at
        if self._lanes.any_slow and not await checks.any_open(
            transaction, other_than=self._run.check_id
        ):
            return self._now()
        return self._run.started_at

    def _asks_rest(self, user: User, now: datetime) -> bool:
        """Return whether GraphQL is not asked about a user.

        That is so if it can't be, if something new is already known, or if it recently failed
        about this user.
        """
        return (
            self._mode is _CheckMode.REST
            or bool(user.github_id and (user.hinted_at or not user.node_id))
            or (user.graphql_refused_until is not None and user.graphql_refused_until > now)
        )

    @property
    def _must_stop(self) -> bool:
        return isinstance(self.reading_stopped, GitHubUnauthorized) or (
            self.reading_stopped is not None and self._mode is _CheckMode.REST
        )

    async def _claim(self) -> tuple[User, ...]:
        async with self._database.begin() as transaction:
            self._mode = await self._mode_now(transaction)
            # A user who needs REST is put back while REST may not be asked, and would be claimed
            # without end.
            claim = schedule.claim_overdue if self.reading_stopped else schedule.claim_due
            return await claim(
                transaction,
                token=self._run.token,
                now=self._now(),
                lease=USER_LEASE,
                limit=(
                    self._batch_poll.batch_size
                    if self._mode is _CheckMode.BATCH_POLL
                    else CLAIMED_AT_A_TIME
                ),
                due_by=await self._due_by(transaction),
            )

    async def _mode_now(self, transaction: Transaction) -> "_CheckMode":
        if not self._github.polls_batches:
            return _CheckMode.REST
        pause = await pauses.last_pause(
            transaction, pauses.SWEEPING, credential=self._github.fingerprint
        )
        if pause is None:
            return _CheckMode.BATCH_POLL
        return _CheckMode.REST if pause.until > self._now() else _CheckMode.PROBE

    async def _ask_graphql(self, claimed: Sequence[User], tasks: asyncio.TaskGroup) -> None:
        """Ask GraphQL about users, and check those that may have something new.

        If an answer takes long, this returns, and the query continues alongside the following work.
        """
        if not claimed:
            return
        asked_at = self._now()
        probing = self._mode is _CheckMode.PROBE
        # As long as GraphQL has never answered, one query is enough to wait for.
        alone = probing or not self._batch_poll.was_answered
        asking = tasks.create_task(self._batch_poll.ask(claimed, probing=probing))
        await asyncio.wait({asking}, timeout=None if alone else SLOW_QUERY.total_seconds())
        if asking.done():
            await self._follow(asking.result(), asked_at)
            return
        slow = tasks.create_task(self._follow_later(asking, asked_at))
        self._slow_polls.add(slow)
        slow.add_done_callback(self._slow_polls.discard)
        if len(self._slow_polls) >= SLOW_QUERIES:
            await asyncio.wait(self._slow_polls, return_when=asyncio.FIRST_COMPLETED)

    async def _follow_later(self, asking: asyncio.Task[Polled], asked_at: datetime) -> None:
        await self._follow(await asking, asked_at)

    async def _follow(self, polled: Polled, asked_at: datetime) -> None:
        cost = Results(swept=len(polled.answers), points=polled.queries)
        if not self._went_as_usual(polled):
            await self._note_how_it_went(polled, cost)
            cost = Results()
        unchanged: list[tuple[User, Snapshot]] = []
        for user, snapshot in await self._identified(polled.answers):
            if isinstance(snapshot, Snapshot) and decide.is_unchanged(
                user, gist_count=snapshot.gist_count, mark=snapshot.mark
            ):
                unchanged.append((user, snapshot))
            else:
                known = snapshot if isinstance(snapshot, Snapshot) else None
                await self._lanes.put(user, known)
        await self._record_unchanged(unchanged, asked_at, cost)
        if isinstance(polled.stopped_by, GitHubUnauthorized):
            await self._put_back(polled.not_asked, due_at=None)
            return
        for user in polled.not_asked:
            await self._lanes.put(user, None)

    def _went_as_usual(self, polled: Polled) -> bool:
        """Return whether only the cost of a batch poll must be recorded."""
        return (
            polled.stopped_by is None
            and self._mode is not _CheckMode.PROBE
            and not any(
                user.graphql_refusals or isinstance(answer, GraphQLFailed)
                for user, answer in polled.answers
            )
        )

    async def _note_how_it_went(self, polled: Polled, cost: Results) -> None:
        """Note which users GraphQL failed about alone, and pause or resume the batch poll."""
        now = self._now()
        stopped = polled.stopped_by
        refused = [
            (user, answer) for user, answer in polled.answers if isinstance(answer, GraphQLFailed)
        ]
        answered = [
            user.key
            for user, answer in polled.answers
            if user.graphql_refusals and not isinstance(answer, GraphQLFailed)
        ]
        until: datetime | None = None
        async with self._database.begin() as transaction:
            await schedule.record_refusals(
                transaction,
                {user.key: now + self._checker.without_graphql(user) for user, _ in refused},
            )
            await schedule.forget_refusals(transaction, answered)
            if isinstance(stopped, GitHubUnauthorized):
                self.reading_stopped = stopped
            elif isinstance(stopped, GraphQLUnusable) and self._mode is _CheckMode.REST:
                pass  # another query that was under way has paused the batch poll already
            elif stopped is not None:
                until = (
                    stopped.until
                    if isinstance(stopped, GitHubLimited)
                    else now + self._batch_poll.pause_after(stopped)
                )
                await pauses.pause(
                    transaction,
                    pauses.SWEEPING,
                    pause_of(stopped, until),
                    credential=self._github.fingerprint,
                    now=self._now(),
                )
                self._mode = _CheckMode.REST
            elif self._mode is _CheckMode.PROBE:
                await pauses.resume(transaction, pauses.SWEEPING, self._now())
            results = replace(cost, note=str(stopped) if until else None)
            await checks.add_results(transaction, self._run.check_id, results)
        for user, answer in refused:
            log.info("sweep.user_refused", login=user.login, reason=str(answer))
        if until:
            log.warning("sweeping.paused", until=until, reason=str(stopped))

    async def _identified(
        self, seen: Sequence[tuple[User, Snapshot | GitHubError]]
    ) -> list[tuple[User, Snapshot | GitHubError]]:
        """Return what was `seen`, after noting the accounts of users known by their login alone."""
        if all(user.github_id for user, _ in seen):
            return list(seen)
        identified: list[tuple[User, Snapshot | GitHubError]] = []
        async with self._database.begin() as transaction:
            for user, snapshot in seen:
                if user.github_id is not None or not isinstance(snapshot, Snapshot):
                    identified.append((user, snapshot))
                    continue
                try:
                    known = await account_match.resolve(transaction, user.key, snapshot.account)
                    identified.append((known, snapshot))
                except UserNotTracked:
                    continue
                except UserConflict as error:
                    # A check of this user alone will fail in the same way, and record it.
                    identified.append((user, GitHubUnavailable(str(error))))
        return identified

    async def _record_unchanged(
        self, unchanged: Sequence[tuple[User, Snapshot]], asked_at: datetime, cost: Results
    ) -> None:
        if not unchanged and cost == Results():
            return
        checked: list[CheckedUser] = []
        async with self._database.begin() as transaction:
            accounts = [(user, snapshot.account) for user, snapshot in unchanged]
            followed = await renames.follow(transaction, accounts, self._now())
            for user, snapshot in unchanged:
                if self._github.knows_the_time:
                    await backfills.correct_added_at(
                        transaction, user, ahead=self._github.clock_ahead, now=self._now()
                    )
                checked.append(
                    CheckedUser(
                        user=user,
                        asked_at=asked_at,
                        next_check_at=self._checker.next_check(user, self._run),
                        etag=user.etag,
                        known_until=decide.known_until(snapshot.as_of) if snapshot.as_of else None,
                        gist_count=snapshot.gist_count,
                        # Until the other user's rename is noted, this user is checked again.
                        sweep_mark=None if user.key in followed.waiting else snapshot.mark,
                    )
                )
            await schedule.record_successes(
                transaction, checked, token=self._run.token, now=self._now()
            )
            results = replace(cost, users=len(checked), unchanged=len(checked))
            await checks.add_results(transaction, self._run.check_id, results)
        results.count()
        log_renames(followed)

    async def _check_user(self, user: User, snapshot: Snapshot | None) -> None:
        stopped = self.reading_stopped
        if stopped is None:
            try:
                self.rest_answered |= await self._checker.check(user, snapshot, self._run)
                if snapshot and snapshot.gist_count < (user.gist_count or 0):
                    await self._doubt(user, snapshot)
                return
            except GitHubAskedToWait as error:
                self.reading_stopped = error
                # This may happen whenever this user is asked about. Answers about others show it.
                await self._put_back([user], due_at=error.until + AFTER_THE_OTHERS)
                return
            except (GitHubLimited, GitHubUnauthorized) as error:
                stopped = self.reading_stopped = error
        # While the batch poll continues, users with something new are due once REST answers again.
        # That is in a later check: this one claims no user who is due after it has begun.
        polling = self._mode is not _CheckMode.REST
        until = self._now()
        if isinstance(stopped, GitHubLimited):
            until = max(until, stopped.until)
        await self._put_back([user], due_at=until if polling else None)

    async def _doubt(self, user: User, snapshot: Snapshot) -> None:
        """Find out whether GraphQL counted too few gists, and whether it always does for this user.

        A count shrinks if gists are deleted, or if an answer was cut silently: REST shows which.
        """
        try:
            async with self._database.read() as transaction:
                known = (await users.get(transaction, user.key)).gist_count
        except UserNotTracked:
            return
        if known is None or known <= snapshot.gist_count:
            return
        if await self._batch_poll.miscounts(user, snapshot, known):
            async with self._database.begin() as transaction:
                until = self._now() + self._checker.without_graphql(user)
                await schedule.record_refusals(transaction, {user.key: until})
            log.info("sweep.user_refused", login=user.login, reason="GraphQL counts too few gists")

    async def _put_back(self, claimed: Sequence[User], *, due_at: datetime | None) -> None:
        async with self._database.begin() as transaction:
            await schedule.put_back(
                transaction,
                [user.key for user in claimed],
                token=self._run.token,
                due_at=due_at,
            )


def pause_of(error: GitHubError, until: datetime) -> Pause:
    """Return the pause until a time that an error calls for."""
    unreachable = decide.is_unreachable(error)
    return Pause(until, str(error), _cause_of(error), unreachable=unreachable)


def _cause_of(error: GitHubError) -> PauseCause:
    match error:
        case GitHubLimited():
            return PauseCause.RATE_LIMIT
        case GitHubUnauthorized() | GraphQLHidesGists():
            return PauseCause.CREDENTIAL
        case _:
            return PauseCause.VENDOR


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
