"""The drill breaks everything and counts: gitpip passes; one that does not look is found out."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import psutil
import pytest

from gitpip.drill.replicas import Replicas
from gitpip.drill.report import Report, counted
from gitpip.drill.run import check_room
from gitpip.errors import GitpipError
from tests.conftest import PostgresServer
from tests.support.forked import INHERITED
from tests.support.running import GITPIP, Installation, Process

REAL = {
    "GITHUB_TOKEN": "ghp_somebodys",
    "PIPEDRIVE_TOKEN": "somebodys",
    "POSTGRES_CONNECTION_STRING": "postgresql://somebody@db.example/gitpip",
    "GITPIP_DATABASE_URL": "postgresql://somebody@db.example/gitpip",
}


@contextmanager
def drilling(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[Process, Path, Path]]:
    """A drill that has just begun, with the files that it prints to."""
    gitpip = Installation(folder, {"TMPDIR": str(folder), **(environment or {})})
    with NamedTemporaryFile() as out, NamedTemporaryFile() as err:
        process = gitpip.begin("drill", *options, output=out, errors=err)
        try:
            yield process, Path(out.name), Path(err.name)
        finally:
            process.kill()


def drill(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """The exit code of a drill, and what it printed."""
    with drilling(folder, *options, environment=environment) as (process, out, err):
        return process.wait(240), out.read_text(), err.read_text()


def reported(folder: Path, *options: str, **more: Any) -> tuple[int, dict[str, Any]]:
    code, out, err = drill(folder, "--json", *options, **more)
    assert out, err
    report: dict[str, Any] = json.loads(out)
    return code, report


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_on_sqlite_whatever_the_environment_says(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PIPEDRIVE_API_URL=https://somebody.pipedrive.com/api\n")

    code, report = reported(
        tmp_path,
        *("--files", "8", "--users", "2", "--faults", "10", "--kill-every", "1s"),
        environment=REAL,
    )

    assert (code, report["passed"], report["finished"]) == (0, True, True)
    assert (report["lost"], report["doubled"], report["wrong_deal"]) == (0, 0, 0)
    assert report["ended"] == 0
    assert report["kills"] > 0
    assert sum(report["faults"].values()) > 0
    assert list(tmp_path.iterdir()) == [tmp_path / ".env"]


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_by_replicas_on_postgresql(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    postgres.psql("CREATE DATABASE drill;")
    address = postgres.get_uri("drill")
    try:
        code, report = reported(
            tmp_path,
            *("--files", "8", "--users", "2", "--faults", "8", "--kill-every", "1s"),
            *("--replicas", "2", "--database", address),
        )
        assert (code, report["passed"], report["database"]) == (0, True, "PostgreSQL")
        assert (report["lost"], report["doubled"], report["ended"]) == (0, 0, 0)
        assert report["kills"] > 0

        code, _, said = drill(tmp_path, "--database", address)
        assert code == 2
        assert "it already has tables, such as public." in said
    finally:
        postgres.psql("DROP DATABASE drill WITH (FORCE);")


@pytest.mark.timeout(300)
def test_one_that_does_not_look_before_it_sends_again_is_found_out(tmp_path: Path) -> None:
    # On a busy machine nothing may have been sent after 25 s.
    for limit in ("25s", "100s"):
        code, report = reported(
            tmp_path,
            *("--files", "80", "--users", "4", "--kill-every", "never", "--time-limit", limit),
            "--without-reconciliation",
        )
        if report["doubled"]:
            break

    assert code == 1
    assert report["doubled"] > 0
    assert len(report["doubled_files"]) == report["doubled"]


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (["--files", "0"], {}, "--files: must be from 1 to 1000000, not 0"),
        (["--users", "-1"], {}, "--users: must be from 1 to 10000, not -1"),
        (["--faults", "61"], {}, "--faults: must be from 0 to 60 percent, not 61"),
        (["--faults", "nan"], {}, "'nan'"),
        (["--kill-every", "soon"], {}, "--kill-every: must be a duration"),
        (["--time-limit", "-5s"], {}, "--time-limit: "),
        (["--replicas", "3"], {}, "--replicas: 3 processes need PostgreSQL"),
        (
            ["--database", "sqlite:///here.db"],
            {},
            "--database: the drill creates its own SQLite file",
        ),
        (["--database", "mysql://host/name"], {}, "--database: "),
        (["--database", "postgresql://127.0.0.1:1/none"], {}, "none can't be reached"),
        (
            [],
            {"PIPEDRIVE_API_URL": "https://somebody.pipedrive.com/api"},
            "PIPEDRIVE_API_URL: it is set to somebody.pipedrive.com; a drill breaks answers",
        ),
        (
            [],
            {"GITHUB_API_URL": "https://api.github.com"},
            "GITHUB_API_URL: it is set to api.github.com; a drill breaks answers",
        ),
        (["--pipedrive-api-url", "https://api.pipedrive.com"], {}, "No such option"),
    ],
)
def test_impossible_drills_are_refused(
    tmp_path: Path, options: list[str], environment: dict[str, str], said: str
) -> None:
    refused = Installation(tmp_path, {"TMPDIR": str(tmp_path), **environment}).command(
        "drill", *options
    )

    assert refused.returncode != 0
    assert said in refused.stderr
    assert refused.stdout == ""
    assert list(tmp_path.iterdir()) == []


STARTS_WHEN_LET = """
import pathlib, time
while not pathlib.Path("may-start").exists():
    time.sleep(0.01)
print("service.started", flush=True)
time.sleep(60)
"""


def test_one_is_killed_after_it_has_started_worked_and_delivered(tmp_path: Path) -> None:
    replicas = Replicas(tmp_path, os.environ, (sys.executable, "-S", "-c", STARTS_WHEN_LET))
    every, chance = timedelta(seconds=5), random.Random(1)

    def kills_after(seconds: float, delivered: int) -> int:
        replicas.kill_if_due(every, delivered, chance, seconds)
        return replicas.kills

    def wait_for_starts(number: int) -> None:
        while (
            len(list(tmp_path.glob("*.log"))) < 2
            or sum(log.read_text().count("service.started") for log in tmp_path.glob("*.log"))
            < number
        ):
            time.sleep(0.01)

    try:
        replicas.start(2)
        assert (kills_after(0, 0), kills_after(100, 9)) == (0, 0), "both start"
        (tmp_path / "may-start").touch()
        wait_for_starts(2)
        assert kills_after(200, 10) == 0, "they work from now on"
        assert (kills_after(204, 11), kills_after(205, 10)) == (0, 0), "too early, and no file"
        assert kills_after(206, 11) == 1
        wait_for_starts(3)
        assert (kills_after(300, 11), kills_after(305, 12)) == (1, 2)
        replicas.keep()
    finally:
        replicas.end()
    assert replicas.ended == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_all_that_it_started_ends_with_it(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with drilling(tmp_path, "--files", "1000", "--kill-every", "never") as (process, _, _):
        children = _three(process)
        process.send_signal(number)
        assert process.wait(120) == code

    deadline = time.monotonic() + 120
    while not all(map(_has_ended, children)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if number is not signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


def _three(drill: Process) -> list[psutil.Process]:
    """Both vendors and the replica, once they run; on a busy machine that takes a minute."""
    started = psutil.Process(drill.pid)
    while len(children := started.children()) < 3:
        assert drill.poll() is None
        time.sleep(0.05)
    return children


def _has_ended(process: psutil.Process) -> bool:
    """Also one that nobody waits for, as in a container whose first process leaves that out."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_disk_without_room_is_refused(tmp_path: Path) -> None:
    check_room(tmp_path)
    with pytest.raises(GitpipError, match="MB left, and the drill needs at least"):
        check_room(tmp_path, least=10**18)


def test_a_replica_asks_no_vendor_but_those_of_this_machine(tmp_path: Path) -> None:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with subprocess.Popen(
        [GITPIP.with_name("python"), "-m", "gitpip.drill.replica", "--without-reconciliation"],
        cwd=tmp_path,
        env={**inherited, "GITPIP_DATA_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,  # open, as an end of it would end the replica
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.wait(60) == 1
        assert process.stderr is not None
        said = process.stderr.read()

    assert said == (
        "a drill only asks stand-ins on this machine, but GITHUB_API_URL is "
        "https://api.github.com\n"
    )


def at_vendors(activities: list[tuple[str, int, float]]) -> dict[str, Any]:
    """What is counted where ada published a.txt and b.txt, and bob c.txt, all at the time 100."""
    no_requests = {"requests": 0, "tokens": 0, "limited": 0, "faults": {}, "abuse": []}
    files = [("ada", "a.txt", 100.5), ("ada", "b.txt", 100.5), ("bob", "c.txt", 100.5)]
    deals = {"1": "ada", "2": "bob"}
    return counted(
        no_requests | {"files": files},
        no_requests | {"activities": activities, "deals": deals},
    )


def test_what_is_counted() -> None:
    whole = [("a.txt gp-1", 1, 100.0), ("b.txt gp-2", 1, 110.0), ("c.txt gp-3", 2, 120.5)]
    good = at_vendors(whole)
    assert (good["lost"], good["doubled"], good["wrong_deal"]) == (0, 0, 0)
    assert (good["late"].p50, good["late"].most) == (9.5, 20.0)

    assert at_vendors(whole[1:])["lost_files"] == ["a.txt"]
    assert at_vendors([*whole, whole[0]])["doubled_files"] == ["a.txt"]
    assert at_vendors([*whole[:2], ("c.txt gp-3", 1, 120.5)])["wrong_deal"] == 1
    assert at_vendors([*whole[:2], ("c.txt gp-3", 9, 120.5)])["wrong_deal"] == 1
    assert at_vendors([*whole, ("strange gp-4", 1, 120.5)])["wrong_deal"] == 1


@pytest.mark.parametrize(
    ("wrong", "passed"),
    [
        ({}, True),
        ({"lost": 1}, False),
        ({"doubled": 1}, False),
        ({"wrong_deal": 1}, False),
        ({"doubled_deals": 1}, False),
        ({"finished": False}, False),
    ],
)
def test_a_report_passes_only_without_faults(wrong: dict[str, Any], passed: bool) -> None:
    told: dict[str, Any] = {
        "files": 3,
        "users": 2,
        "replicas": 1,
        "database": "SQLite",
        "reconciles": True,
        "seed": 1,
        "finished": True,
        "seconds": 1.0,
        "kills": 0,
        "ended": 0,
    }
    report = Report(**(told | at_vendors([]) | {"lost": 0} | wrong))
    assert report.passed is passed
    missing = "lost" if report.finished else "not in Pipedrive yet"
    assert any(line.startswith(f"{missing}: {report.lost}") for line in report.lines())
