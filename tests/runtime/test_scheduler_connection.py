"""Notifications of PostgreSQL reach an idle connection, also after the server ended it."""

import asyncio

import psycopg

from gitpip.runtime.scheduler.connection import SchedulerConnection

END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def test_notifications_arrive_while_nothing_is_asked(postgres_dsn: str) -> None:
    heard: asyncio.Queue[str | bytes | bytearray] = asyncio.Queue()
    async with (
        SchedulerConnection(postgres_dsn) as connection,
        await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as other,
    ):
        await connection.add_listener("Channel", heard.put_nowait)
        for word in ("one", "two"):
            await other.execute(f"""NOTIFY "Channel", '{word}'""")
            assert await asyncio.wait_for(heard.get(), 60) == word

        await other.execute(END)
        while heard.empty():
            await other.execute("""NOTIFY "Channel", 'three'""")
            await asyncio.sleep(0.02)  # nothing tells when somebody listens again
        assert heard.get_nowait() == "three"
        assert await connection.fetch("SELECT 1 AS one") == [{"one": 1}]
