"""The scheduler from outside: what runs, how often, and who takes over when a replica fails."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
import structlog
from structlog.typing import EventDict

from gitpip.errors import SchedulerError
from gitpip.runtime.scheduler.connection import SchedulerConnection
from gitpip.runtime.scheduler.queue import install, on_postgres
from tests.runtime.conftest import NEVER, PATIENCE, Work, count, quick, running, until
from tests.support.relay import relay_to

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

ROOT = Path(__file__).parents[2]
LONGEST_FREEZE = 10  # seconds that PostgreSQL waits for a process that others wait for
TAKE_OVER_AFTER = 3
CONNECTIONS = """
    pg_stat_activity WHERE application_name = 'gitpip engine' AND datname = current_database()
"""


async def test_stop_lets_a_run_finish(dsn: str | None) -> None:
    scheduler, works = quick(dsn, grace=NEVER), Work()
    scheduler.register("publish", works)
    task = asyncio.create_task(scheduler.run())
    await scheduler.notify("publish")
    await works.begin(1)
    assert scheduler.healthy
    scheduler.stop()
    await asyncio.sleep(0)
    assert not scheduler.healthy
    works.release.release()
    await asyncio.wait_for(task, PATIENCE)
    assert works.ended == 1


async def test_stop_hands_back_what_does_not_finish(shared: str, logged: list[EventDict]) -> None:
    leaver, stayer = quick(shared, grace=1), quick(shared)
    stuck, works = Work(), Work(free=True)
    leaver.register("publish", stuck)
    stayer.register("publish", works)
    async with running(leaver):
        await leaver.notify("publish")
        await stuck.begin(1)
        async with running(stayer):
            leaver.stop()
            await until(lambda: works.ended == 1)
    assert stuck.ended == 0
    assert count(logged, "work.handed_back") == 1


async def test_run_returns_within_the_grace_even_if_a_handler_will_not(dsn: str | None) -> None:
    scheduler, begun, freed = quick(dsn, grace=4), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        while not freed.is_set():
            try:
                await freed.wait()
            except asyncio.CancelledError:
                continue

    scheduler.register("publish", stubborn)
    task = asyncio.create_task(scheduler.run())
    await scheduler.notify("publish")
    await asyncio.wait_for(begun.wait(), PATIENCE)
    begin = time.monotonic()
    scheduler.stop()
    await asyncio.wait_for(task, PATIENCE)
    assert time.monotonic() - begin < 7
    freed.set()


async def test_cancelling_run_hands_back_at_once(shared: str) -> None:
    leaver, stayer = quick(shared, grace=NEVER), quick(shared)
    stuck, works = Work(), Work(free=True)
    leaver.register("publish", stuck)
    stayer.register("publish", works)
    task = asyncio.create_task(leaver.run())
    await leaver.notify("publish")
    await stuck.begin(1)
    async with running(stayer):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE)
        await until(lambda: works.ended == 1)


async def test_stop_before_run(dsn: str | None) -> None:
    scheduler = quick(dsn)
    scheduler.stop()
    await asyncio.wait_for(scheduler.run(), PATIENCE)


@asynccontextmanager
async def replica(dsn: str, part: str = "publish") -> AsyncIterator[Process]:
    """Another process with a scheduler: a run of `publish`, or a turn to `install`, never ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.runtime.test_scheduler", dsn, part), cwd=ROOT, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def says(process: Process, line: str) -> None:
    assert process.stdout
    said = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
    assert said.decode().strip() == line


async def test_a_process_frozen_while_it_makes_the_tables_delays_others_briefly(
    postgres_dsn: str, logged: list[EventDict]
) -> None:
    async with replica(postgres_dsn, "install") as process:
        await says(process, "my turn")
        async with asyncio.timeout(LONGEST_FREEZE + PATIENCE):
            await quick(postgres_dsn).install()
        assert count(logged, "engine.waiting") == 1
        process.send_signal(signal.SIGCONT)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    await quick(postgres_dsn).notify("publish")


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_another_replica_takes_over(shared: str, blow: signal.Signals) -> None:
    works, scheduler = Work(), quick(shared, take_over_after=TAKE_OVER_AFTER)
    scheduler.register("publish", works)
    async with replica(shared) as process:
        await says(process, "ready")
        await scheduler.notify("publish")
        await says(process, "begun")
        async with running(scheduler):
            process.send_signal(blow)
            await works.begin(1)

            if blow == signal.SIGSTOP:
                process.send_signal(signal.SIGCONT)
                await says(process, "cancelled")
                # What thaws must not end the run of its successor, nor run alongside it.
                await scheduler.notify("publish")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(says(process, "begun"), 1)
                process.kill()
            assert works.begun == 1
            works.release.release()
            works.release.release()
            await until(lambda: works.ended >= 1)


async def test_sigterm_hands_back_within_the_grace(shared: str) -> None:
    works, scheduler = Work(free=True), quick(shared)
    scheduler.register("publish", works)
    async with replica(shared) as process:
        await says(process, "ready")
        await scheduler.notify("publish")
        await says(process, "begun")
        async with running(scheduler):
            process.terminate()
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
            await until(lambda: works.ended == 1)


async def test_a_restart_of_postgres_is_survived(
    postgres: "PostgresServer", shared: str, logged: list[EventDict]
) -> None:
    engines = [quick(shared) for _ in range(2)]
    works = Work()
    for scheduler in engines:
        scheduler.register("publish", works)
    async with running(*engines):
        await engines[0].notify("publish")
        await works.begin(1)
        await engines[0].notify("publish")
        await asyncio.to_thread(postgres.stop)
        await until(lambda: count(logged, "engine.disconnected") == 2)
        assert not any(scheduler.healthy for scheduler in engines)
        await asyncio.to_thread(postgres.ensure_postgres_running)
        await until(lambda: all(scheduler.healthy for scheduler in engines))
        assert count(logged, "engine.reconnected") == 2
        assert works.begun == 1
        works.release.release()
        await works.begin(2)
        works.release.release()
        await until(lambda: works.ended == 2)
        assert await count_rows(shared, CONNECTIONS) == 2
    assert works.most_active == 1
    await until_none(shared, CONNECTIONS)


async def test_stop_while_postgres_is_away(
    postgres: "PostgresServer", shared: str, logged: list[EventDict]
) -> None:
    scheduler, works = quick(shared), Work()
    scheduler.register("publish", works)
    task = asyncio.create_task(scheduler.run())
    await scheduler.notify("publish")
    await works.begin(1)
    await asyncio.to_thread(postgres.stop)
    try:
        await until(lambda: count(logged, "engine.disconnected") == 1)
        begin = time.monotonic()
        scheduler.stop()
        await asyncio.wait_for(task, PATIENCE)
        assert time.monotonic() - begin < 5.5
    finally:
        await asyncio.to_thread(postgres.ensure_postgres_running)
    successor, works = quick(shared, take_over_after=TAKE_OVER_AFTER), Work(free=True)
    successor.register("publish", works)
    async with running(successor):
        await until(lambda: works.ended == 1)


async def test_a_run_that_ends_while_it_is_taken_over_leaves_its_successor_alone(
    shared: str,
) -> None:
    scheduler, works = quick(shared), Work()
    scheduler.register("publish", works)
    successor = await psycopg.AsyncConnection.connect(shared, autocommit=True)
    async with running(scheduler):
        await scheduler.notify("publish")
        await works.begin(1)
        # The successor's statement comes between the scheduler's last look and its own statement.
        async with successor.transaction():
            await successor.execute("SELECT * FROM engine_pgqueuer FOR UPDATE")
            works.release.release()
            await until_some(
                shared,
                "pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%pgqueuer%'",
            )
            await successor.execute("UPDATE engine_pgqueuer SET queue_manager_id = %s", [uuid4()])
        await until_none(shared, "pg_stat_activity WHERE wait_event_type = 'Lock'")
        assert await count_rows(shared, "engine_pgqueuer") == 1
    await successor.close()


async def test_a_network_that_falls_silent_loses_nothing(
    shared: str, logged: list[EventDict]
) -> None:
    with relay_to(shared) as relay:
        cut_off, stayer = (
            quick(address, take_over_after=TAKE_OVER_AFTER)
            for address in (relay.address(shared), shared)
        )
        stuck, works = Work(), Work(free=True)
        cut_off.register("publish", stuck)
        stayer.register("publish", works)
        async with running(cut_off):
            await stayer.notify("publish")
            await stuck.begin(1)
            relay.swallow()
            async with running(stayer):
                await until(lambda: works.ended == 1)
                await until(lambda: not cut_off.healthy)
                relay.pass_on()
                await until(lambda: cut_off.healthy)
                await until(lambda: stuck.active == 0)
        assert stuck.ended == 0
        assert count(logged, "engine.disconnected") == count(logged, "engine.reconnected") == 1


async def test_install_is_idempotent_and_safe_at_once(postgres_dsn: str) -> None:
    await asyncio.gather(*(quick(postgres_dsn).install() for _ in range(6)))
    scheduler, works = quick(postgres_dsn), Work(free=True)
    await scheduler.install()
    scheduler.register("publish", works)
    async with running(scheduler):
        await scheduler.notify("publish")
        await until(lambda: works.ended == 1)
        await quick(postgres_dsn).install()


async def test_what_is_missing_is_said(postgres_dsn: str) -> None:
    scheduler = quick(postgres_dsn)
    with pytest.raises(SchedulerError, match="could not be told"):
        await scheduler.notify("publish")
    with pytest.raises(SchedulerError, match="continue"):
        await scheduler.run()
    nowhere = quick("postgresql://user:secret@127.0.0.1:1/nowhere")
    for attempt in (nowhere.notify("publish"), nowhere.install(), nowhere.run()):
        with pytest.raises(SchedulerError, match="can't be reached") as caught:
            await attempt
        assert "secret" not in str(caught.value)


async def test_the_log_of_finished_jobs_stays_small(shared: str) -> None:
    scheduler, works = quick(shared), Work(free=True)
    scheduler.schedule("sweep", timedelta(seconds=0.2), works)
    async with running(scheduler):
        await until(lambda: works.ended >= 10)
        await until_none(shared, "engine_pgqueuer_log WHERE created < now() - interval '1 second'")


async def count_rows(dsn: str, what: str) -> int:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        counted = await connection.execute(f"SELECT count(*) FROM {what}")  # noqa: S608
        (rows,) = await counted.fetchone() or (0,)
    return int(rows)


async def until_none(dsn: str, what: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while await count_rows(dsn, what):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def until_some(dsn: str, what: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await count_rows(dsn, what):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def be_a_replica(dsn: str) -> None:
    scheduler = quick(dsn, grace=1, take_over_after=TAKE_OVER_AFTER)

    async def publish() -> None:
        print("begun", flush=True)  # noqa: T201
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print("cancelled", flush=True)  # noqa: T201
            raise

    scheduler.register("publish", publish)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, scheduler.stop)
    task = asyncio.create_task(scheduler.run())
    await until(lambda: scheduler.healthy)
    print("ready", flush=True)  # noqa: T201
    await task


async def make_tables(dsn: str) -> None:
    queries = on_postgres(SchedulerConnection(dsn))
    async with queries.driver, queries.schema_lock():
        print("my turn", flush=True)  # noqa: T201
        os.kill(os.getpid(), signal.SIGSTOP)
        await install(queries)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    part = {"publish": be_a_replica, "install": make_tables}[sys.argv[2]]
    asyncio.run(part(sys.argv[1]))
