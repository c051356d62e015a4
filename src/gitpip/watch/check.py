"""One check: look at every user that is due, many at once where GitHub allows it, and record it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from gitpip.clock import utc_now
from gitpip.errors import (
    DatabaseUnavailable,
    GitHubError,
    GitHubLimited,
    GitHubOverburdened,
    GitHubUnauthorized,
    GitHubUnavailable,
    UserConflict,
    UserNotTracked,
)
from gitpip.model import Account, Check, PauseCause, User, UserKey
from gitpip.store import checks, operation, schedule, users
from gitpip.store.database import Database
from gitpip.store.schedule import Looked
from gitpip.telemetry import get_logger
from gitpip.watch import decide
from gitpip.watch.github import GitHub
from gitpip.watch.graphql import Glimpse
from gitpip.watch.look import Looker, Rules, Run, log_rename
from gitpip.watch.sweep import Sweep

USERS_AT_A_TIME = 4
CLAIMED_AT_A_TIME = 20
LEASE = timedelta(seconds=20)
"""How long a claim outlives whoever held it; while a look lasts it is renewed."""
PAUSE_WITHOUT_ACCESS = timedelta(minutes=5)
PAUSE_IN_TROUBLE = timedelta(minutes=1)
KEPT = timedelta(days=7)
"""How long checks that found nothing stay on record."""

log = get_logger()


class Watcher:
    """Looks at the tracked users, each once in an interval.

    Several watchers can share a database: a user is claimed by one at a time, and should a claim
    run out, the user's row lock keeps anything from being stored twice.
    """

    def __init__(
        self,
        database: Database,
        github: GitHub,
        *,
        rules: Rules,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._github = github
        self._now = now
        self._looker = Looker(database, github, rules, now)
        self._sweep = Sweep(github)

    async def due(self) -> bool:
        """Whether a user waits for a look, or a check was asked for, and watching is not paused."""
        now = self._now()
        async with self._database.read() as transaction:
            if await self._paused(operation.WATCHING):
                return False
            only_hinted = await self._paused(operation.SWEEPING)
            return await schedule.any_due(transaction, now, only_hinted=only_hinted) or (
                not only_hinted and await checks.any_open(transaction)
            )

    async def run(self) -> Check | None:
        """Look at every user that is due now; None, with nothing done, while watching is paused.

        What is used up, or refused, ends the part of the check that needs it and pauses it; the
        users not looked at stay due. Raises DatabaseUnavailable.
        """
        if await self._paused(operation.WATCHING):
            return None
        only_hinted = await self._paused(operation.SWEEPING)
        now = self._now()
        async with self._database.begin() as transaction:
            run = Run(await checks.start(transaction, now), now, eager=self._eager())
        log.info("check.started", check_id=run.check_id)
        work = _Check(
            self._database,
            self._github,
            looker=self._looker,
            sweep=self._sweep,
            run=run,
            now=self._now,
        )
        try:
            await work.run(only_hinted=only_hinted)
        except BaseException:
            await self._let_go(run)
            raise
        check = await self._end(run, work.stopped_by)
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

    def _eager(self) -> bool:
        """Whether more than half of the points of this hour are left to the sweep."""
        return self._github.sweeps and all(
            budget.remaining > budget.limit / 2
            for budget in self._github.budgets()
            if budget.resource == "graphql"
        )

    async def _paused(self, name: str) -> bool:
        async with self._database.read() as transaction:
            pause = await operation.paused(
                transaction, name, self._now(), credential=self._github.fingerprint
            )
        return pause is not None

    async def _end(self, run: Run, stopped_by: Sequence[GitHubError]) -> Check:
        now = self._now()
        pauses = [(error, *self._pause_for(error)) for error in stopped_by]
        async with self._database.begin() as transaction:
            for error, name, until in pauses:
                await operation.pause(
                    transaction,
                    name,
                    until=until,
                    reason=str(error),
                    credential=(
                        self._github.fingerprint
                        if isinstance(error, GitHubUnauthorized | GitHubLimited)
                        else None
                    ),
                    cause=_cause_of(error),
                    now=now,
                )
                await checks.add_results(transaction, run.check_id, note=str(error))
            await schedule.release(transaction, run.token)
            await checks.end(transaction, run.check_id, now)
            await checks.prune(transaction, now - KEPT)
        for error, name, until in pauses:
            log.warning(f"{name}.paused", until=until, reason=str(error))
        async with self._database.read() as transaction:
            return await checks.get(transaction, run.check_id)

    def _pause_for(self, error: GitHubError) -> tuple[str, datetime]:
        """What has to wait after an error, and until when."""
        now = self._now()
        match error:
            case GitHubLimited(resource="graphql", until=until):
                return operation.SWEEPING, until
            case GitHubLimited(until=until):
                # With a sweep, the unchanged can still be told from the others.
                return (operation.READING if self._github.sweeps else operation.WATCHING), until
            case GitHubUnauthorized():
                return operation.WATCHING, now + PAUSE_WITHOUT_ACCESS
            case _:
                return operation.SWEEPING, now + PAUSE_IN_TROUBLE

    async def _let_go(self, run: Run) -> None:
        """Hand the claimed users back, so that whoever comes next need not await the lease."""
        try:
            async with self._database.begin() as transaction:
                await schedule.release(transaction, run.token)
        except DatabaseUnavailable as error:
            log.warning("check.claims_kept", check_id=run.check_id, reason=str(error))


class _Check:
    """The work of one check: one asks who changed, several look at these, side by side."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        *,
        looker: Looker,
        sweep: Sweep,
        run: Run,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._sweeps = github.sweeps
        self._looker = looker
        self._sweep = sweep
        self._run = run
        self._now = now
        self._to_look_at: asyncio.Queue[tuple[User, Glimpse | None] | None] = asyncio.Queue(
            maxsize=2 * USERS_AT_A_TIME
        )
        self._reading_stopped: GitHubError | None = None
        self._sweeping_stopped: GitHubError | None = None

    @property
    def stopped_by(self) -> tuple[GitHubError, ...]:
        """What ended a part of this check early."""
        reasons = (self._reading_stopped, self._sweeping_stopped)
        return tuple(reason for reason in reasons if reason)

    async def run(self, *, only_hinted: bool) -> None:
        """Look at everybody who is due; raises DatabaseUnavailable."""
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(self._renew())
                async with asyncio.TaskGroup() as work:
                    work.create_task(self._claim_all(only_hinted))
                    for _ in range(USERS_AT_A_TIME):
                        work.create_task(self._look_at_those())
                renewing.cancel()
        except ExceptionGroup as group:
            raise _first_of(group) from group

    async def _renew(self) -> None:
        """Keep the claims: a look can take longer than a lease, which is short for the killed."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            async with self._database.begin() as transaction:
                await schedule.renew(transaction, self._run.token, until=self._now() + LEASE)

    async def _claim_all(self, only_hinted: bool) -> None:
        while not self._must_stop and (claimed := await self._claim(only_hinted)):
            # Of whom we know that there is news, or whom only REST can tell of, nobody else asks.
            direct = [
                user
                for user in claimed
                if not self._sweeps
                or (user.hinted_at and (user.github_id or only_hinted))
                or (user.github_id and not user.node_id)
            ]
            for user in direct:
                await self._to_look_at.put((user, None))
            await self._sweep_over([user for user in claimed if user not in direct])
            only_hinted = only_hinted or self._sweeping_stopped is not None
        for _ in range(USERS_AT_A_TIME):
            await self._to_look_at.put(None)

    @property
    def _must_stop(self) -> bool:
        refused = isinstance(self._reading_stopped, GitHubUnauthorized) or isinstance(
            self._sweeping_stopped, GitHubUnauthorized
        )
        return refused or (self._reading_stopped is not None and not self._sweeps)

    async def _claim(self, only_hinted: bool) -> tuple[User, ...]:
        async with self._database.begin() as transaction:
            return await schedule.claim_due(
                transaction,
                token=self._run.token,
                now=self._now(),
                lease=LEASE,
                limit=self._sweep.batch_size if self._sweeps else CLAIMED_AT_A_TIME,
                # Else a check with more users than fit an interval would never end.
                due_by=self._run.started_at,
                only_hinted=only_hinted,
            )

    async def _sweep_over(self, claimed: Sequence[User]) -> None:
        if not claimed:
            return
        asked_at = self._now()
        try:
            seen = await self._sweep.ask(claimed)
        except (
            GitHubLimited,
            GitHubUnauthorized,
            GitHubUnavailable,
            GitHubOverburdened,
        ) as error:
            self._sweeping_stopped = error
            await self._put_back(claimed, due_at=None)
            return
        unchanged: list[tuple[User, Glimpse]] = []
        for user, glimpse in await self._identified(seen):
            if isinstance(glimpse, Glimpse) and decide.is_unchanged(
                user, gist_count=glimpse.gist_count, mark=glimpse.mark
            ):
                unchanged.append((user, glimpse))
            else:
                known = glimpse if isinstance(glimpse, Glimpse) else None
                await self._to_look_at.put((user, known))
        await self._record_unchanged(unchanged, asked_at)

    async def _identified(
        self, seen: Sequence[tuple[User, Glimpse | GitHubError]]
    ) -> list[tuple[User, Glimpse | GitHubError]]:
        """The same, with the accounts noted of those who were known by their login alone."""
        if all(user.github_id for user, _ in seen):
            return list(seen)
        identified: list[tuple[User, Glimpse | GitHubError]] = []
        async with self._database.begin() as transaction:
            for user, glimpse in seen:
                if user.github_id is not None or not isinstance(glimpse, Glimpse):
                    identified.append((user, glimpse))
                    continue
                try:
                    known = await users.resolve(transaction, user.key, glimpse.account)
                    identified.append((known, glimpse))
                except UserNotTracked:
                    continue
                except UserConflict as error:
                    # A look at this one alone will fail in the same way, and record it.
                    identified.append((user, GitHubOverburdened(str(error))))
        return identified

    async def _record_unchanged(
        self, unchanged: Sequence[tuple[User, Glimpse]], asked_at: datetime
    ) -> None:
        if not unchanged:
            return
        renamed: dict[UserKey, Account] = {}
        looks: list[Looked] = []
        async with self._database.begin() as transaction:
            for user, glimpse in unchanged:
                account, taken = glimpse.account, False
                if account.login != user.login:
                    taken = await users.login_taken(
                        transaction, account.login, by_other_than=user.key
                    )
                    renamed |= {} if taken else {user.key: account}
                looks.append(
                    Looked(
                        user=user,
                        asked_at=asked_at,
                        next_check_at=self._looker.next_look(user, self._run),
                        etag=user.etag,
                        gist_count=glimpse.gist_count,
                        # Until the other one's rename is noted, this one is looked at again.
                        sweep_mark=None if taken else glimpse.mark,
                    )
                )
            await schedule.record_accounts(transaction, renamed)
            await schedule.record_successes(
                transaction, looks, token=self._run.token, now=self._now()
            )
            await checks.add_results(
                transaction, self._run.check_id, users=len(looks), unchanged=len(looks)
            )
        for user, glimpse in unchanged:
            if user.key in renamed:
                log_rename(user, glimpse.account)

    async def _look_at_those(self) -> None:
        while (wanted := await self._to_look_at.get()) is not None:
            user, glimpse = wanted
            stopped = self._reading_stopped
            if stopped is None:
                try:
                    unchanged = await self._looker.look_at(user, glimpse, self._run)
                    shrunk = glimpse and glimpse.gist_count < (user.gist_count or 0)
                    if unchanged and shrunk:
                        self._sweep.doubt()
                    continue
                except (GitHubLimited, GitHubUnauthorized) as error:
                    stopped = self._reading_stopped = error
            until = stopped.until if isinstance(stopped, GitHubLimited) else self._now()
            await self._put_back([user], due_at=until if self._sweeps else None)

    async def _put_back(self, claimed: Sequence[User], *, due_at: datetime | None) -> None:
        async with self._database.begin() as transaction:
            await schedule.put_back(
                transaction,
                [user.key for user in claimed],
                token=self._run.token,
                due_at=due_at,
            )


def _cause_of(error: GitHubError) -> PauseCause:
    match error:
        case GitHubLimited():
            return PauseCause.RATE_LIMIT
        case GitHubUnauthorized():
            return PauseCause.CREDENTIAL
        case GitHubUnavailable():
            return PauseCause.VENDOR
        case _:
            return PauseCause.FAULT


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
