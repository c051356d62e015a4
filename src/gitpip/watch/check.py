"""One check: checks each user that is due, many at once if GitHub allows it, and records it."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from gitpip.clock import CLOCK_TOLERANCE, utc_now
from gitpip.errors import (
    OWN_FAULT,
    DatabaseUnavailable,
    GitHubError,
    GitHubLimited,
)
from gitpip.model import Check
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database
from gitpip.store.status import checks, future_times, pauses
from gitpip.store.status.checks import Results
from gitpip.store.users import schedule
from gitpip.watch.batch_poll import BatchPoller
from gitpip.watch.check_run import Checkers, CheckRun, pause_of
from gitpip.watch.github.client import GitHub
from gitpip.watch.lanes import SlowUsers
from gitpip.watch.user_check import CheckContext, Rules, UserChecker

PAUSE_WITHOUT_ACCESS = timedelta(minutes=5)
MENDED_EVERY = timedelta(minutes=1)
CHECKS_KEPT_FOR = timedelta(days=7)
"""The time that checks without findings are kept."""

log = get_logger()


class Watcher:
    """Checks the tracked users, each once in an interval.

    Several watchers can share a database: a user is claimed by one at a time, and if a claim runs
    out, the user's row lock keeps anything from being stored twice.
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
        self._rules = rules
        self._checkers = Checkers(
            UserChecker(database, github, rules, now), BatchPoller(github, now), SlowUsers()
        )
        self._steady: datetime | None = None
        """The time at which the event loop's clock showed 0. It moves if our clock steps."""
        self._mended_at: datetime | None = None

    async def due(self) -> bool:
        """Return whether a user is due, or a check was requested, and watching is not paused."""
        await self._set_back_times()
        if await self._held_up():
            return False
        async with self._database.read() as transaction:
            return await schedule.any_due(transaction, self._now()) or await checks.any_open(
                transaction
            )

    async def run(self) -> Check | None:
        """Check each user that is due now, or return None while watching is paused.

        A limit that is used up, or a refusal, ends the part of the check that it concerns and
        pauses it; the users not checked stay due. The check ends in any case, unless the database
        can't be written or the process stops: then the next run continues it. Raises
        DatabaseUnavailable.
        """
        await self._set_back_times()
        if await self._held_up():
            return None
        now = self._now()
        async with self._database.begin() as transaction:
            run = CheckContext(await checks.start(transaction, now), now, eager=self._eager())
        log.info("check.started", check_id=run.check_id)
        work = CheckRun(
            self._database,
            self._github,
            checkers=self._checkers,
            run=run,
            now=self._now,
        )
        try:
            await work.run()
        except (DatabaseUnavailable, asyncio.CancelledError):
            await self._let_go(run)
            raise
        except Exception as error:
            log.error("check.broken", check_id=run.check_id, error=type(error).__name__)
            await self._end(run, None, note=OWN_FAULT)
            raise
        check = await self._end(run, work.reading_stopped, rest_answered=work.rest_answered)
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
        """Return whether more than half of our points of this hour are left to the batch poll."""
        return self._github.polls_batches and all(
            budget.spare > 0 for budget in self._github.budgets() if budget.resource == "graphql"
        )

    async def _set_back_times(self) -> None:
        """Correct times written by a clock that was ahead, now and then and if ours stepped."""
        now, interval = self._now(), self._rules.interval
        steady = now - timedelta(seconds=asyncio.get_running_loop().time())
        stepped = self._steady is None or abs(steady - self._steady) > CLOCK_TOLERANCE
        if not stepped and self._mended_at and now - self._mended_at < MENDED_EVERY:
            return
        self._steady, self._mended_at = steady, now
        async with self._database.read() as transaction:
            if not await future_times.any_too_late(transaction, now=now, interval=interval):
                return
        async with self._database.begin() as transaction:
            changed = await future_times.set_back(transaction, now=now, interval=interval)
        log.warning("clock.was_ahead", users=changed)

    async def _held_up(self) -> bool:
        """Return whether no user can be checked, neither by GraphQL nor by REST."""
        async with self._database.read() as transaction:

            async def paused(name: str) -> bool:
                pause = await pauses.paused(
                    transaction, name, self._now(), credential=self._github.fingerprint
                )
                return pause is not None

            if await paused(pauses.WATCHING):
                return True
            polling = self._github.polls_batches and not await paused(pauses.SWEEPING)
            return not polling and await paused(pauses.READING)

    async def _end(
        self,
        run: CheckContext,
        stopped_by: GitHubError | None,
        *,
        rest_answered: bool = False,
        note: str = "",
    ) -> Check:
        now = self._now()
        pause = self._pause_for(stopped_by) if stopped_by else None
        async with self._database.begin() as transaction:
            if rest_answered:
                for over in pauses.STOPS_WATCHING:
                    await pauses.clear_pause(transaction, over, now)
            if stopped_by and pause:
                name, until = pause
                await pauses.pause(
                    transaction,
                    name,
                    pause_of(stopped_by, until),
                    credential=self._github.fingerprint,
                    now=now,
                )
            if line := note or (str(stopped_by) if stopped_by else ""):
                await checks.add_results(transaction, run.check_id, Results(note=line))
            await schedule.release(transaction, run.token)
            await checks.end(transaction, run.check_id, now)
            await checks.prune(transaction, now - CHECKS_KEPT_FOR)
        if pause:
            log.warning(f"{pause[0]}.paused", until=pause[1], reason=str(stopped_by))
        async with self._database.read() as transaction:
            return await checks.get(transaction, run.check_id)

    def _pause_for(self, error: GitHubError) -> tuple[str, datetime]:
        """Return what has to wait after an error of REST, and until when."""
        if isinstance(error, GitHubLimited):
            # With a batch poll, unchanged users can still be told from the others.
            return (pauses.READING if self._github.polls_batches else pauses.WATCHING), error.until
        return pauses.WATCHING, self._now() + PAUSE_WITHOUT_ACCESS

    async def _let_go(self, run: CheckContext) -> None:
        """Release the claimed users, so that the next process need not wait for the lease."""
        try:
            async with self._database.begin() as transaction:
                await schedule.release(transaction, run.token)
        except DatabaseUnavailable as error:
            log.warning("check.claims_kept", check_id=run.check_id, reason=str(error))
