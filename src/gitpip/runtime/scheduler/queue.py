"""PgQueuer as the scheduler uses it: our names and safeguards, and nothing from the environment."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries
from pgqueuer.adapters.persistence import schema_plan
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.db import Driver
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.models import JOB_STATUS, Job, JobId, QueueManagerId, TableChangedEvent
from pgqueuer.models import TracebackRecord as Trace
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gitpip.clock import utc_now
from gitpip.observability.logging import get_logger
from gitpip.runtime.scheduler.connection import SchedulerConnection

SCHEMA_LOCK_POLL = timedelta(seconds=0.5)
"""The time between two questions of a process that waits to make the tables."""

log = get_logger()


class Names(DBSettings):
    """The names of PgQueuer's tables, types and channel.

    By default it takes them from the environment, even from variables called TRIGGER or CHANNEL.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


# A prefix, not a schema of our own: creating schemas is a right not every operator can give.
# Balanced: jobs survive a crash of the server; the log of finished ones need not.
NAMES = Names(prefix="engine_", durability=Durability.balanced)


def in_memory() -> InMemoryQueries:
    """Return a queue that exists only in this process."""
    return InMemoryQueries(
        InMemoryDriver(),
        qbe=QueryBuilderEnvironment(settings=NAMES),
        qbq=QueryQueueBuilder(settings=NAMES),
        qbs=QuerySchedulerBuilder(settings=NAMES),
    )


def on_postgres(connection: SchedulerConnection) -> "FencedQueries":
    """Return a queue shared by all processes."""
    return FencedQueries(
        connection,
        qbe=QueryBuilderEnvironment(settings=NAMES),
        qbq=QueryQueueBuilder(settings=NAMES),
        qbs=QuerySchedulerBuilder(settings=NAMES),
    )


async def install(queries: Queries) -> None:
    """Create or migrate PgQueuer's tables. Processes that start at once take turns."""
    async with queries.schema_lock():
        if await queries.schema_is_installed():
            await queries.upgrade()
        else:
            await queries.install()


# PgQueuer finishes, retries and keeps alive a job by its id alone. A process that was frozen and
# thawed would delete the row under its successor, and a third one could start besides. So its
# statements are sent within a transaction that has locked those rows that are still held.
HELD = f"""
    SELECT id FROM {NAMES.queue_table}
    WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2::uuid ORDER BY id FOR UPDATE
"""  # noqa: S608 (our own name)


# The lock is the session's, not a transaction's (a label added to a type can't be used in the same
# one). So a process that is frozen between two statements would keep it; a session that has a time
# to be idle ends. PostgreSQL before 14 has no such time: there the lock is all that is taken.
TAKE_TURN = """
    SELECT pg_try_advisory_lock($1) AS taken, (
        SELECT set_config(name, '10s', false) FROM pg_settings WHERE name = 'idle_session_timeout'
    )
"""


@dataclass
class FencedQueries(Queries):
    """PgQueuer's statements, which act only on jobs that `owner` holds, and report the others."""

    driver: SchedulerConnection
    owner: QueueManagerId | None = field(kw_only=True, default=None)
    taken_over: Callable[[JobId], None] = field(kw_only=True, default=lambda _: None)

    @asynccontextmanager
    async def schema_lock(self) -> AsyncIterator[None]:
        """Hold PgQueuer's lock, without its two traps: a frozen holder, and a silent wait.

        A statement that waits would also be given up after some time, but continue to wait in the
        server.
        """
        key = schema_plan.advisory_key(self.qbe.settings)
        told = False
        while not (await self.driver.fetch(TAKE_TURN, key))[0]["taken"]:
            if not told:
                told = True
                log.info(
                    "engine.waiting",
                    reason="another process creates or upgrades the tables; if it is frozen, "
                    "PostgreSQL ends its session after 10 s",
                )
            await asyncio.sleep(SCHEMA_LOCK_POLL.total_seconds())
        try:
            yield
        finally:
            await self.driver.execute("SELECT pg_advisory_unlock($1)", key)

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        await self._on_held(job_ids, lambda queries, held: queries.update_heartbeat(sorted(held)))

    async def log_jobs(self, job_status: list[tuple[Job, JOB_STATUS, Trace | None]]) -> None:
        await self._on_held(
            [job.id for job, _, _ in job_status],
            lambda queries, held: queries.log_jobs(
                [one for one in job_status if one[0].id in held]
            ),
        )

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: Trace | None) -> None:
        held = await self._on_held(
            [job.id], lambda queries, _: queries.retry_job(job, delay, traceback_record)
        )
        if held and not delay:
            await self._wake_all()

    async def _on_held(
        self, job_ids: list[JobId], act: Callable[[Queries, set[JobId]], Awaitable[None]]
    ) -> set[JobId]:
        """Call `act` for those jobs that are still ours, and keep them from being taken over."""

        async def fenced(driver: Driver) -> set[JobId]:
            rows = await driver.fetch(HELD, job_ids, self.owner)
            held = set(job_ids) & {row["id"] for row in rows}
            if held:
                await act(Queries(driver, qbe=self.qbe, qbq=self.qbq, qbs=self.qbs), held)
            return held

        held = await self.driver.transact(fenced)
        for job_id in set(job_ids) - held:
            self.taken_over(job_id)
        return held

    async def _wake_all(self) -> None:
        """Notify all processes, because PgQueuer's trigger is silent on updates.

        Otherwise returned jobs would wait.
        """
        event = TableChangedEvent(
            channel=Channel(NAMES.channel),
            operation="update",
            sent_at=utc_now(),
            table=NAMES.queue_table,
            type="table_changed_event",
        )
        await self.driver.notify(NAMES.channel, event.model_dump_json())


class Loop(QueueManager):
    """PgQueuer's loop, which also records its last turn, on the monotonic clock."""

    turned_at: float | None = None

    async def fetch_jobs(
        self,
        batch_size: int,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> AsyncGenerator[Job, None]:
        async for job in super().fetch_jobs(
            batch_size, global_concurrency_limit, heartbeat_timeout
        ):
            yield job
        self.turned_at = time.monotonic()
