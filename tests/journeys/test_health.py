"""Health: alive while it waits for a good reason, and not alive when nothing moves."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from gitpip_standins import Fault
from tests.journeys.conftest import World

PATIENCE = 10
PAUSE = 0.1
"""Between two looks, in seconds: what is looked at needs the processor, too."""


@contextmanager
def blocked(database_url: str) -> Iterator[None]:
    """The database answers nobody who wants to write."""
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(
            database_url.removeprefix("sqlite+aiosqlite:///"), isolation_level=None
        )
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.rollback()
            connection.close()
        return
    with asyncio.Runner() as runner:
        locker = runner.run(psycopg.AsyncConnection.connect(database_url))
        runner.run(locker.execute("LOCK TABLE services, users, pauses"))
        try:
            yield
        finally:
            runner.run(locker.close())


def test_a_database_that_answers_nobody_makes_it_unhealthy(world: World, database_url: str) -> None:
    world.gitpip.environment = {
        **world.gitpip.environment,
        "GITPIP_HEALTH_PATIENCE": f"{PATIENCE}s",
    }
    world.gitpip.start()
    assert world.gitpip.get("/health").text == "Alive"
    with blocked(database_url):
        sick = world.gitpip.wait_for(
            lambda: answer if (answer := world.gitpip.get("/health")).status_code == 503 else None,
            "bad health",
        )
        assert sick.headers["content-type"].startswith("text/plain")
        assert "the database could not be written for" in sick.text
        assert "\ngitpip_healthy 0.0\n" in world.gitpip.get("/metrics").text
    world.gitpip.wait_for(
        lambda: world.gitpip.get("/health").text == "Alive", "good health once more"
    )
    assert "\ngitpip_healthy 1.0\n" in world.gitpip.get("/metrics").text


@pytest.mark.parametrize(
    ("database_url", "reason"),
    [("sqlite", "no token"), ("postgres", "used up")],
    indirect=["database_url"],
)
def test_waiting_for_a_good_reason_is_healthy(world: World, reason: str) -> None:
    environment = {**world.gitpip.environment, "GITPIP_HEALTH_PATIENCE": f"{PATIENCE}s"}
    if reason == "no token":
        del environment["PIPEDRIVE_TOKEN"]
    world.gitpip.environment = environment
    world.pipedrive.faults.chance(1, [Fault.error(429)], seed=1)
    world.github.add_user("octocat")
    world.github.add_gist("octocat", {"a.txt": "a"})
    world.gitpip.start()
    world.gitpip.post("/users/octocat/1")
    world.gitpip.wait_for(
        lambda: (
            world.gitpip.get("/status").json()["publishing"]["state"] != "running"
            and world.gitpip.get("/status").json()["publications"]["pending"]
        ),
        "publishing to wait",
    )
    # That nothing happens can't be awaited: it is looked at for long enough.
    until = time.monotonic() + 1.5 * PATIENCE
    while time.monotonic() < until:
        assert world.gitpip.get("/health").text == "Alive"
        assert world.gitpip.get("/ready").status_code == 200
        time.sleep(PAUSE)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_pause_of_its_own_making_is_no_excuse(world: World, database_url: str) -> None:
    world.gitpip.environment = {
        **world.gitpip.environment,
        "GITPIP_HEALTH_PATIENCE": f"{PATIENCE}s",
    }
    world.github.add_user("octocat")
    world.gitpip.start()
    world.gitpip.post("/users/octocat/1")
    world.gitpip.wait_for(lambda: world.gitpip.get("/status").json()["all_good"], "good times")
    with sqlite3.connect(database_url.removeprefix("sqlite+aiosqlite:///")) as rows:
        rows.execute(
            "INSERT INTO pauses (name, until, reason, cause) "
            "VALUES ('watching', '2100-01-01 00:00:00', 'a strange answer', 'fault')"
        )
    rows.close()

    sick = world.gitpip.wait_for(
        lambda: answer if (answer := world.gitpip.get("/health")).status_code == 503 else None,
        "bad health",
    )

    assert "watching has made no progress for" in sick.text
    with sqlite3.connect(database_url.removeprefix("sqlite+aiosqlite:///")) as rows:
        world.gitpip.wait_for(
            lambda: rows.execute("SELECT health_problems FROM services").fetchone()[0],
            "the row of this process to say so",
        )
    rows.close()
    unhealthy, paused, *_ = world.gitpip.get("/status").json()["problems"]
    assert (unhealthy["kind"], unhealthy["count"]) == ("unhealthy", 1)
    assert paused["kind"] == "watching-paused"
    assert world.gitpip.command("try-now", "watching").returncode == 0
    world.gitpip.wait_for(lambda: world.gitpip.get("/health").text == "Alive", "good health")
    world.gitpip.wait_for(lambda: world.gitpip.get("/status").json()["all_good"], "good times")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "damage", [b"ALTER TABLE services DROP COLUMN heartbeat_at", b"DROP TABLE services"]
)
def test_a_process_whose_heartbeat_breaks_ends_with_an_error(
    world: World, database_url: str, damage: bytes
) -> None:
    world.gitpip.start()
    with psycopg.connect(database_url) as connection:
        connection.execute(damage)
    assert world.gitpip.process
    assert world.gitpip.process.wait(timeout=60) == 1
    world.gitpip.process = None
    last = world.gitpip.log_file.read_text().splitlines()[-1]
    assert last.startswith("gitpip: the heartbeat ended: ")
