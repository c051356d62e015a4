"""The rules of the scheduler: one run at a time, no notification lost, and a way to stop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from math import ceil, floor

from pgqueuer.adapters.inmemory import InMemoryQueries
from pgqueuer.domain.types import Channel
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job, JobId

from gitpip.backoff import backoff
from gitpip.clock import utc_now
from gitpip.errors import SchedulerError
from gitpip.observability import metrics
from gitpip.observability.logging import get_logger
from gitpip.observability.watchdog import listen
from gitpip.runtime.scheduler.connection import (
    STATEMENT_TIMEOUT,
    SchedulerConnection,
    describe,
    refusals_explained,
)
from gitpip.runtime.scheduler.health import RunHealth
from gitpip.runtime.scheduler.queue import (
    NAMES,
    FencedQueries,
    Loop,
    in_memory,
    install,
    on_postgres,
)

log = get_logger()

Handler = Callable[[], Awaitable[None]]

SHORTEST_POLL = timedelta(seconds=0.5)
HAND_BACK_TIMEOUT = timedelta(seconds=2)


@dataclass
class HandlerRun:
    """A handler under way."""

    work: str
    task: asyncio.Task[None]
    taken_over: bool = False


@dataclass(frozen=True)
class Timing:
    """The times that a scheduler waits."""

    grace: timedelta = timedelta(seconds=10)
    """The time that `run` may take to return after `stop`."""
    take_over_after: timedelta = timedelta(seconds=15)
    """The silence after which a process counts as dead and its works as free."""
    look_every: timedelta = timedelta(seconds=5)
    """The time between two searches for such works, and for works whose notification was lost."""
    retry_after: timedelta = timedelta(seconds=1)
    """The first wait after a failure. It doubles."""
    retry_at_most: timedelta = timedelta(minutes=1)
    """The longest wait after a failure."""
    prune_every: timedelta = timedelta(minutes=10)
    """The time between two cleanings of PgQueuer's log of finished jobs."""


TIMING = Timing()


class Scheduler:
    """Runs works by name, each at most once at a time over all processes that share a database.

    A work runs when it was notified or when its time has come. It runs at least once: after a
    crash, or when a frozen process continues, a run can come twice. A run that raises is repeated,
    later each time. A Scheduler is run once.
    """

    def __init__(
        self,
        postgres_dsn: str | None = None,
        timing: Timing = TIMING,
    ) -> None:
        """Open nothing yet.

        `postgres_dsn` is a postgresql:// address; None keeps the queue in this process.
        """
        self._timing = timing
        self._handlers: dict[str, Handler] = {}
        self._intervals: dict[str, timedelta] = {}
        self._runs: dict[JobId, HandlerRun] = {}
        self._run_health = RunHealth(taken_over_after=2 * timing.retry_at_most)
        self._started_at = time.monotonic()
        self._stop_asked = asyncio.Event()
        self._handing_back = False
        self._loop: Loop | None = None
        self._connection: SchedulerConnection | None = None
        self._queries: InMemoryQueries | FencedQueries
        if postgres_dsn is None:
            self._queries = in_memory()
        else:
            self._connection = SchedulerConnection(postgres_dsn)
            self._queries = on_postgres(self._connection)

    def set_address(self, postgres_dsn: str | None) -> None:
        """Use this address of the same database from the next connection on."""
        if self._connection is not None and postgres_dsn is not None:
            self._connection.set_address(postgres_dsn)

    def register(self, name: str, handler: Handler) -> None:
        """Run `handler` after each `notify` of `name`."""
        if name in self._handlers:
            raise ValueError(f"work {name!r} has a handler already")
        self._handlers[name] = handler

    def schedule(self, name: str, interval: timedelta, handler: Handler) -> None:
        """Run `handler` once in each `interval`, and after each `notify` of `name`.

        Intervals are counted from 1970-01-01 UTC, so that all processes agree on them. A run that
        takes longer than its interval is followed by one run, not by all that were missed.
        """
        if interval <= timedelta(0):
            raise ValueError("interval must be positive")
        self.register(name, handler)
        self._intervals[name] = interval

    async def notify(self, name: str, at: datetime | None = None) -> None:
        """Have `name` run, starting after this call, and not before `at` (UTC) if given.

        `at` is rounded up to the second.

        After several calls before a run starts, it runs once. Needs no running scheduler: on
        PostgreSQL another process will run it. Raises SchedulerError if it could not be written.
        """
        key, wait = name, timedelta(0)
        if at is not None and at > utc_now():
            second = ceil(at.timestamp())
            key, wait = f"{name}@{second}", timedelta(seconds=second - time.time())
        try:
            async with asyncio.timeout(STATEMENT_TIMEOUT.total_seconds()), self._queries.driver:
                with refusals_explained(f"{name} could not be told"):
                    # The run under way holds its key, but may have begun too early for this call.
                    if not await self._enqueue(name, key, wait):
                        await self._enqueue(name, f"{key}+", wait)
        except TimeoutError as error:
            raise SchedulerError(f"{name} could not be told: no answer from PostgreSQL") from error

    async def install(self) -> None:
        """Create or migrate what the scheduler needs in the database. May be called at any time.

        Raises SchedulerError if the database can't be reached or refuses.
        """
        if isinstance(self._queries, FencedQueries):
            async with self._queries.driver:
                with refusals_explained("The scheduler's tables could not be created"):
                    await install(self._queries)

    async def run(self) -> None:
        """Run works until `stop`. If cancelled, release at once what is under way.

        Raises SchedulerError if the scheduler can't continue. Installs no signal handlers.
        """
        if self._loop is not None:
            raise SchedulerError("This scheduler was run before; make another.")
        async with self._queries.driver:
            self._loop = self._assemble()
            self._started_at = time.monotonic()
            turning = asyncio.create_task(
                self._loop.run(
                    dequeue_timeout=self._timing.look_every,
                    # One by one: what is finished is then recorded at once, and two processes that
                    # pick several limited works in one statement can't deadlock.
                    batch_size=1,
                    heartbeat_timeout=self._timing.take_over_after,
                    log_aggregation_interval=timedelta(0),
                )
            )
            aside = [
                asyncio.create_task(self._stop_asked.wait()),
                asyncio.create_task(self._prune()),
                *(asyncio.create_task(self._tick(*timing)) for timing in self._intervals.items()),
            ]
            grace = timedelta(0)
            try:
                await asyncio.wait({turning, *aside}, return_when=asyncio.FIRST_COMPLETED)
                failures = [error for task in (turning, *aside) if (error := failure(task))]
                grace = self._timing.grace
            finally:
                for task in aside:
                    task.cancel()
                await self._wind_down(self._loop, turning, grace)
        if failures:
            raise SchedulerError(
                f"The scheduler can't continue: {describe(failures[0])}"
            ) from failures[0]

    def stop(self) -> None:
        """Make `run` return within `grace`, with runs under way finished or released."""
        self._stop_asked.set()

    @property
    def healthy(self) -> bool:
        """Whether the scheduler runs and reaches its database."""
        silence = self._silence
        return (
            silence is not None
            and silence < self._timing.take_over_after
            and not self._stop_asked.is_set()
            and self._connected
        )

    def health_problems(self, patience: timedelta) -> tuple[str, ...]:
        """Return a sentence for each thing that should have happened within `patience`.

        Only of this process: what another one does, or fails to do, does not count.
        """
        silence = self._silence
        problems = list(self._run_health.health_problems(patience))
        if silence is not None and silence > patience:
            seconds = silence.total_seconds()
            problems.insert(0, f"the scheduler has not looked for work for {seconds:.0f} s")
        return tuple(problems)

    @property
    def _silence(self) -> timedelta | None:
        """The time since the scheduler last searched for work, or None before it starts."""
        if self._loop is None:
            return None
        return timedelta(seconds=time.monotonic() - (self._loop.turned_at or self._started_at))

    @property
    def _connected(self) -> bool:
        return self._connection is None or self._connection.connected

    def _assemble(self) -> Loop:
        loop = Loop(self._queries, Channel(NAMES.channel))
        # How often PgQueuer searches while notified work waits for its own run to end.
        loop.min_dequeue_poll_interval = min(SHORTEST_POLL, self._timing.look_every)
        for name, handler in self._handlers.items():
            loop.entrypoint(name, concurrency_limit=1, accepts_context=False, on_failure="hold")(
                partial(self._perform, handler)
            )
        if isinstance(self._queries, FencedQueries):
            self._queries.owner = loop.queue_manager_id
            self._queries.taken_over = self._let_go
        return loop

    async def _enqueue(self, name: str, key: str, wait: timedelta) -> bool:
        """Add a job; return False if one with this key is waiting or under way."""
        [job_id] = await self._queries.enqueue(
            name, None, execute_after=wait, dedupe_key=key, on_conflict="skip"
        )
        return job_id is not None

    async def _perform(self, handler: Handler, job: Job) -> None:
        """Run a handler in its own task, so that PgQueuer only learns "done" or "again"."""
        progress = self._run_health.begin(job.entrypoint)
        run = HandlerRun(
            job.entrypoint, asyncio.create_task(self._run_afresh(handler, job, progress.step))
        )
        self._runs[job.id] = run
        try:
            await asyncio.wait({run.task})
        finally:
            del self._runs[job.id]
            self._run_health.end(progress)
        error = asyncio.CancelledError() if run.task.cancelled() else run.task.exception()
        if run.taken_over:
            metrics.run_ended(run.work, "taken_over")
            log.warning("work.taken_over", work=run.work)
        elif error is not None and self._handing_back:
            metrics.run_ended(run.work, "handed_back")
            log.info("work.handed_back", work=run.work)
            raise RetryRequested(timedelta(0))
        elif error is not None:
            wait = backoff(job.attempts + 1, self._timing.retry_after, self._timing.retry_at_most)
            log.error(
                "work.failed",
                work=run.work,
                attempt=job.attempts + 1,
                retry_in=wait.total_seconds(),
                exc_info=error,
            )
            metrics.run_ended(run.work, "failed")
            self._run_health.failed(run.work, error)
            raise RetryRequested(wait, reason=type(error).__name__)
        else:
            metrics.run_ended(run.work, "completed")
            self._run_health.completed(run.work)

    async def _run_afresh(self, handler: Handler, job: Job, step: Callable[[], None]) -> None:
        """Run a handler once for all notifications from before it starts."""
        listen(step)
        waiting = await self._queries.browse_queue(
            limit=1000, statuses=["queued"], entrypoints=[job.entrypoint]
        )
        # Both times are the database's: `updated` is when this job was picked.
        if due := [other.id for other in waiting if other.execute_after <= job.updated]:
            await self._queries.mark_job_as_cancelled(due)
        await handler()

    def _let_go(self, job_id: JobId) -> None:
        """Stop a run whose job another process took over while this one was frozen."""
        if run := self._runs.get(job_id):
            run.taken_over = True
            run.task.cancel()

    async def _tick(self, name: str, interval: timedelta) -> None:
        """Put a job at the start of each next interval, unless another process did.

        That is done in the middle of the interval before, when all clocks that differ by less than
        half an interval agree which one is next. Two keys take turns, as a run may outlast its
        interval.

        PgQueuer's own schedules do not suffice. They are cron's, in full seconds with one second's
        tolerance. A failed run is not repeated, and one whose process died waits for fixed 30 s.
        """
        seconds = interval.total_seconds()
        while True:
            following = floor(time.time() / seconds) + 1
            wait = timedelta(seconds=following * seconds - time.time())
            await self._enqueue(name, f"{name}/{following % 2}", wait)
            await asyncio.sleep((following + 0.5) * seconds - time.time())

    async def _prune(self) -> None:
        """Empty PgQueuer's log, which it never does on its own, not even in memory."""
        while self._handlers:
            await asyncio.sleep(self._timing.prune_every.total_seconds())
            await self._queries.clear_queue_log(list(self._handlers))
        await self._stop_asked.wait()

    async def _wind_down(self, loop: Loop, turning: asyncio.Task[None], grace: timedelta) -> None:
        """Wait for runs under way, then release the rest, then leave them to a take-over."""
        loop.shutdown.set()
        reserve = min(HAND_BACK_TIMEOUT, self._timing.grace / 3)
        if grace and (self._runs or self._connected):
            await asyncio.wait({turning}, timeout=(grace - reserve).total_seconds())
        if turning.done():
            return
        self._handing_back = True
        for run in self._runs.values():
            run.task.cancel()
        if self._connected:
            await asyncio.wait({turning}, timeout=reserve.total_seconds() / 2)
        if not turning.done():
            log.warning("engine.abandoned", works=sorted(run.work for run in self._runs.values()))
            if self._connection is not None:
                self._connection.give_up()
            turning.cancel()
            await asyncio.wait({turning}, timeout=reserve.total_seconds() / 4)


def failure(task: asyncio.Task[object]) -> BaseException | None:
    """Return the error that ended a task, or None."""
    return task.exception() if task.done() and not task.cancelled() else None
