"""What a round of looks costs: the batch poll next to the plain REST path, in one run.

`python -m benchmarks.watch [USERS ...]` prints, for each number of tracked users (1,000, 100,000
and 1,000,000 unless given) and both databases: users looked at per second and per second of
gitpip's own CPU, points per 1,000 looks, and the peak of resident memory. The REST path is measured
over 1,000 of the same users; a ratio compares the two. The stand-in answers from a process of its
own, so that its work counts for neither.
"""

import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from benchmarks.crowd import FIRST_ID, fill
from gitpip.observability.logging import configure_logging
from gitpip.store.database import Database, open_database
from gitpip.store.schema import users
from gitpip.watch.check import Watcher
from gitpip.watch.github.client import GitHub
from gitpip.watch.user_check import Rules
from gitpip_standins import GitHub as StandIn
from gitpip_standins import Server
from tests.conftest import postgres_server

TOKEN = "benchmark-token"  # noqa: S105 - the stand-in's
SIZES = (1_000, 100_000, 1_000_000)
ON_REST = 1_000
INTERVAL = timedelta(hours=3)
MIB = 1024 * 1024


@dataclass(frozen=True)
class Round:
    """What one round of looks took."""

    users: int
    seconds: float
    cpu_seconds: float
    points: int
    peak: int

    @property
    def per_second(self) -> float:
        return self.users / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.users / self.cpu_seconds

    @property
    def points_per_1000(self) -> float:
        return 1000 * self.points / self.users


def main() -> None:
    """Measure and print."""
    sizes = [int(argument) for argument in sys.argv[1:]] or SIZES
    configure_logging("WARNING", "console", secrets=())
    with tempfile.TemporaryDirectory() as folder, postgres_server() as postgres:
        for size in sizes:
            postgres.psql(f"CREATE DATABASE watch_{size};")
            dsn = postgres.get_uri(f"watch_{size}")
            addresses = {
                "SQLite": f"sqlite+aiosqlite:///{Path(folder) / str(size)}.sqlite3",
                "PostgreSQL": dsn,
            }
            with stand_in(size) as (url, github):
                for name, address in addresses.items():
                    show(name, size, *in_a_process(address, size, url, github))


def show(name: str, size: int, batch_poll: Round, rest: Round) -> None:
    """One line for each path, and the ratios between them."""
    print(f"{name}, {size:,} users")
    for path, round_ in (("batch poll", batch_poll), ("REST", rest)):
        print(
            f"  {path:10} {round_.per_second:8,.0f} users/s "
            f"{round_.per_cpu_second:8,.0f} users/CPU s "
            f"{round_.points_per_1000:7,.1f} points per 1,000 {round_.peak / MIB:6,.0f} MiB"
        )
    print(
        f"  ratio      {batch_poll.per_second / rest.per_second:8.1f} x      "
        f"{batch_poll.per_cpu_second / rest.per_cpu_second:8.1f} x          "
        f"1/{rest.points_per_1000 / batch_poll.points_per_1000:.0f}",
        flush=True,
    )


@contextmanager
def stand_in(size: int) -> Iterator[tuple[str, Connection]]:
    """A GitHub with so many quiet users, in a process of its own; its URL, and its process."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=be_github, args=(size, theirs))
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        ours.send("stop")
        process.join()


def be_github(size: int, orders: Connection) -> None:
    """Serve until told to stop."""
    world = StandIn(tokens={TOKEN}, points_a_minute=None, limit_with_token=None)
    world.limits.graphql_points_a_minute = None
    for number in range(size):
        world.add_user(f"user-{number}", FIRST_ID + number)
    with Server(world.app) as server:
        orders.send(server.url)
        while orders.recv() == "requests":
            orders.send(len(world.requests))


def in_a_process(address: str, size: int, url: str, github: Connection) -> tuple[Round, Round]:
    """Measure in a fresh process, so that its peak of memory is its own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=be_gitpip, args=(address, size, url, theirs)
    )
    process.start()
    while (message := ours.recv()) == "requests":
        github.send(message)
        ours.send(github.recv())
    process.join()
    batch_poll, rest = message
    return batch_poll, rest


def be_gitpip(address: str, size: int, url: str, results: Connection) -> None:
    """Look at everybody twice, the second time measured; then at some by REST."""
    configure_logging("WARNING", "console", secrets=())

    def requests() -> int:
        results.send("requests")
        number: int = results.recv()
        return number

    results.send(asyncio.run(measure(address, size, url, requests)))


async def measure(
    address: str, size: int, url: str, requests: Callable[[], int]
) -> tuple[Round, Round]:
    """A round of the batch poll over everybody, and one of REST over some."""
    database = open_database(address)
    await database.migrate()
    await fill(database, size)
    now = datetime.now(UTC)
    batch_poll = await rounds(
        database, url, url + "/graphql", size=size, now=now, requests=requests
    )
    rest = await rounds(database, url, None, size=min(size, ON_REST), now=now, requests=requests)
    await database.close()
    return batch_poll, rest


async def rounds(
    database: Database,
    url: str,
    graphql_url: str | None,
    *,
    size: int,
    now: datetime,
    requests: Callable[[], int],
) -> Round:
    """The second of two rounds over `size` users: the first one learns what there is."""
    clock = [now]
    async with GitHub(
        api_url=url,
        graphql_url=graphql_url,
        token=TOKEN,
        timeout=timedelta(seconds=60),
        now=lambda: clock[0],
    ) as github:
        watcher = Watcher(database, github, rules=Rules(interval=INTERVAL), now=lambda: clock[0])
        await only(database, size, due_at=now)
        await watcher.run()
        clock[0] += timedelta(seconds=1)
        await only(database, size, due_at=clock[0])
        asked = requests()
        began, cpu = time.perf_counter(), psutil.Process().cpu_times()
        check = await watcher.run()
        took, after = time.perf_counter() - began, psutil.Process().cpu_times()
    assert check
    assert check.unchanged == size, check
    return Round(
        users=size,
        seconds=took,
        cpu_seconds=after.user + after.system - cpu.user - cpu.system,
        points=requests() - asked,
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


async def only(database: Database, size: int, *, due_at: datetime) -> None:
    """Let the first so many users be due, and no others."""
    async with database.begin() as transaction:
        later = due_at + timedelta(days=300)
        await transaction.execute(users.update().values(next_check_at=later))
        await transaction.execute(
            users.update().where(users.c.key <= size).values(next_check_at=due_at)
        )


if __name__ == "__main__":
    main()
