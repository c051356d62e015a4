"""PostgreSQL set up so that gitpip can't work with it, and a work queue that breaks."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gitpip_standins import Fault
from tests.journeys.conftest import World
from tests.support.pgbouncer import pgbouncer
from tests.support.running import Installation

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

POSTGRES = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


def finding(gitpip: Installation, about: str) -> dict[str, str]:
    findings: list[dict[str, str]] = json.loads(gitpip.command("doctor", "--json").stdout)
    return next(one for one in findings if one["about"] == about)


def is_refused(gitpip: Installation, found: str, advice: str) -> None:
    """A start is an error with its reason, and the doctor says the same."""
    served = gitpip.command("serve")
    assert served.returncode == 1
    assert found in served.stderr
    assert advice in served.stderr
    assert "Traceback" not in served.stderr
    told = finding(gitpip, "database")
    assert told["verdict"] == "failure"
    assert found in told["found"]
    assert advice in told["advice"]


@POSTGRES
def test_pooling_by_transaction_is_refused(world: World, postgres_dsn: str) -> None:
    with pgbouncer(postgres_dsn, "transaction") as address:
        world.gitpip.environment = {**world.gitpip.environment, "GITPIP_DATABASE_URL": address}
        is_refused(world.gitpip, "a pooler in front of PostgreSQL", "pool_mode = session")


@POSTGRES
def test_pooling_by_session_works(world: World, postgres_dsn: str) -> None:
    with pgbouncer(postgres_dsn, "session") as address:
        world.gitpip.environment = {**world.gitpip.environment, "GITPIP_DATABASE_URL": address}
        world.gitpip.start()
        world.gitpip.wait_for(lambda: world.gitpip.get("/ready").is_success, "readiness")
        assert finding(world.gitpip, "database")["verdict"] == "ok"
        assert world.gitpip.stop() == 0


@POSTGRES
def test_an_encoding_that_can_not_hold_every_text_is_refused(
    world: World, postgres: "PostgresServer"
) -> None:
    name = "test_latin1"
    postgres.psql(
        f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;"
    )
    address = postgres.get_uri(name)
    world.gitpip.environment = {**world.gitpip.environment, "GITPIP_DATABASE_URL": address}
    try:
        is_refused(world.gitpip, "the encoding LATIN1", "ENCODING 'UTF8'")
    finally:
        postgres.psql(f"DROP DATABASE {name} WITH (FORCE);")


@POSTGRES
def test_a_service_whose_queue_breaks_ends_with_an_error(
    world: World, postgres: "PostgresServer", postgres_dsn: str
) -> None:
    world.gitpip.start()
    break_the_queue(postgres, postgres_dsn)
    assert world.gitpip.process
    assert world.gitpip.process.wait(timeout=60) == 1
    world.gitpip.process = None
    last = world.gitpip.log_file.read_text().splitlines()[-1]
    assert last.startswith("gitpip: the work queue ended: ")
    assert "engine_pgqueuer" in last
    assert "gitpip doctor" in last


@POSTGRES
def test_a_command_whose_queue_breaks_ends_with_an_error(
    world: World, postgres: "PostgresServer", postgres_dsn: str
) -> None:
    world.gitpip.environment = {**world.gitpip.environment, "GITPIP_HTTP_TIMEOUT": "60s"}
    world.github.add_user("ada")
    assert world.gitpip.command("users", "add", "ada").returncode == 0
    world.github.faults.script(Fault.hang(), times=None)
    asked = len(world.github.requests)
    with ThreadPoolExecutor() as beside:
        check = beside.submit(world.gitpip.command, "check")
        world.gitpip.wait_for(lambda: len(world.github.requests) > asked, "a request")
        break_the_queue(postgres, postgres_dsn)
        ended = check.result(timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("gitpip: the work queue ended: ")


def break_the_queue(postgres: "PostgresServer", dsn: str) -> None:
    name = dsn.partition("?")[0].rpartition("/")[2]
    postgres.psql(f"\\c {name}\nALTER TABLE engine_pgqueuer RENAME TO broken;")
