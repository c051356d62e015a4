"""Several gitpips on one PostgreSQL of their own, which can be stopped beneath them."""

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.rows import TupleRow

from gitpip_standins import GitHub, Pipedrive, Server
from tests.conftest import PostgresServer, postgres_server
from tests.support.running import Installation
from tests.support.tokens import TOKEN

CONNECTIONS = 6  # of each replica, at most
COUNT = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_type = 'client backend' AND application_name <> 'count'
"""


@dataclass
class Cluster:
    """The vendors, the database, and the replicas between them."""

    folder: Path
    github: GitHub
    pipedrive: Pipedrive
    postgres: PostgresServer
    dsn: str
    environment: Mapping[str, str]
    replicas: list[Installation] = field(default_factory=list)

    def add(self, *options: str, environment: Mapping[str, str] | None = None) -> Installation:
        """Start one more replica."""
        folder = self.folder / f"replica-{len(self.replicas)}"
        folder.mkdir()
        replica = Installation(folder, {**self.environment, **(environment or {})})
        self.replicas.append(replica)
        replica.start(*options)
        return replica

    def last(self, *events: str) -> Installation:
        """The replica that logged one of these events last."""
        times = {
            max(
                (str(e["timestamp"]) for e in replica.events() if e["event"] in events), default=""
            ): replica
            for replica in self.replicas
        }
        return times[max(times)]

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """What the database says to a query."""

        async def asked() -> list[tuple[object, ...]]:
            connection = await connect(self.dsn)
            try:
                return await (await connection.execute(query)).fetchall()
            finally:
                await connection.close()

        return asyncio.run(asked())

    def await_activities(self, number: int, seconds: float = 60) -> None:
        """Return once so many activities are in Pipedrive; TimeoutError if they come too late."""
        deadline = time.monotonic() + seconds
        # Not at each request, as the stand-in would: counting thousands takes time from it.
        while (count := len(self.pipedrive.activities)) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} activities of {number} within {seconds} s")
            time.sleep(0.2)

    def await_progress(self, number: int, seconds: float) -> None:
        """Return once so many activities are in Pipedrive; TimeoutError if none comes for so long.

        How long all of them take depends on the machine.
        """
        while (count := len(self.pipedrive.activities)) < number:
            self.await_activities(count + 1, seconds)

    def published(self) -> int:
        """How many publications are published, by the rows."""
        [(count,)] = self.ask("SELECT count(*) FROM publications WHERE state = 'published'")
        assert isinstance(count, int)
        return count

    def connections(self) -> int:
        """How many connections all replicas have open."""
        [(count,)] = self.ask(COUNT)
        assert isinstance(count, int)
        return count


async def connect(dsn: str) -> psycopg.AsyncConnection[TupleRow]:
    """A connection that does not count."""
    return await psycopg.AsyncConnection.connect(dsn, application_name="count", autocommit=True)


@contextmanager
def clustered(
    folder: Path, postgres_files: Path | None = None, /, **settings: str
) -> Iterator[Cluster]:
    """A database and vendors without replicas; those started meanwhile are stopped at the end.

    The files of its PostgreSQL begin as a copy of `postgres_files`, if there are any.
    """
    github = GitHub(tokens={TOKEN}, limit_with_token=None, points_a_minute=None)
    # A plan large enough that its limits do not set the pace.
    pipedrive = Pipedrive(token=TOKEN, daily_tokens=None, burst=5_000)
    with (
        postgres_server(files=postgres_files) as postgres,
        Server(github.app) as github_server,
        Server(pipedrive.app) as pipedrive_server,
    ):
        postgres.psql("CREATE DATABASE cluster;")
        dsn = postgres.get_uri("cluster")
        environment = {
            "GITPIP_DATABASE_URL": dsn,
            "GITPIP_DATABASE_CONNECTIONS": str(CONNECTIONS),
            "GITPIP_PORT": "0",
            "GITPIP_CHECK_INTERVAL": "5s",
            "GITPIP_HTTP_TIMEOUT": "3s",
            "GITPIP_ABSENT_AFTER": "5s",
            "GITPIP_REQUEST_LIMIT": "off",
            "GITPIP_LOG_FORMAT": "json",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": github_server.url,
            "PIPEDRIVE_TOKEN": TOKEN,
            "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
        }
        cluster = Cluster(folder, github, pipedrive, postgres, dsn, {**environment, **settings})
        try:
            yield cluster
        finally:
            for replica in cluster.replicas:
                replica.send(signal.SIGCONT)
                replica.send(signal.SIGTERM)
            for replica in cluster.replicas:
                replica.stop()


class ConnectionCount:
    """Counts the connections of all replicas again and again, as long as the block lasts."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._count()))
        self.counted: list[int] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    async def _count(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError, psycopg.Error):
                await self._count_while_it_runs()
            await asyncio.sleep(0.1)

    async def _count_while_it_runs(self) -> None:
        connection = await connect(self._dsn)
        try:
            while not self._over.is_set():
                answer = await connection.execute(COUNT)
                self.counted += [number for (number,) in await answer.fetchall()]
                await asyncio.sleep(0.1)
        finally:
            await connection.close()
