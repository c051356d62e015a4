"""Commands and files they can not use: permissions, locks, foreign and newer databases."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.journeys.conftest import World
from tests.journeys.test_commands import SQLITE, changed, make_database, tracked
from tests.support.running import GITPIP


@SQLITE
def test_the_files_are_closed_to_others_where_the_folder_is_not(
    world: World, open_folder: Path
) -> None:
    changed(world, GITPIP_DATABASE_URL=f"sqlite:///{open_folder}/gitpip.db")
    world.gitpip.start()
    files = {file.name: file.stat().st_mode & 0o077 for file in open_folder.iterdir()}
    world.gitpip.stop()

    assert {"gitpip.db", "gitpip.db-wal", "gitpip.db-shm"} <= set(files)
    assert set(files.values()) == {0}


@SQLITE
def test_a_file_that_is_no_database_is_left_as_it_is(world: World) -> None:
    file = world.gitpip.folder / "gitpip.sqlite3"
    file.write_bytes(b"a letter to a friend, " * 100)

    listed = world.gitpip.command("users", "list")

    assert listed.returncode == 1
    assert str(file) in listed.stderr
    assert file.read_bytes() == b"a letter to a friend, " * 100


@SQLITE
def test_a_database_of_a_newer_version_is_left_as_it_is(world: World) -> None:
    make_database(world)
    engine = create_engine(f"sqlite:///{world.gitpip.folder}/gitpip.sqlite3")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    served = world.gitpip.command("serve")

    assert served.returncode == 1
    assert "newer" in served.stderr
    assert "9999" in served.stderr


@SQLITE
def test_a_locked_database_is_a_clear_error_and_changes_nothing(world: World) -> None:
    make_database(world)
    file = world.gitpip.folder / "gitpip.sqlite3"
    engine = create_engine(f"sqlite:///{file}", isolation_level="AUTOCOMMIT")
    with engine.connect() as other:
        other.execute(text("BEGIN EXCLUSIVE"))
        added = world.gitpip.command("users", "add", "octocat")
        other.execute(text("ROLLBACK"))
    engine.dispose()

    assert added.returncode == 1
    assert "locked" in added.stderr
    assert tracked(world) == []


@pytest.fixture
def unprivileged() -> Iterator[list[str]]:
    """How to run a command as somebody who owns nothing here: files of others are read-only."""
    if os.geteuid() != 0:
        yield []
        return
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write to every file, and setpriv is not installed")
    yield [setpriv, "--reuid=65534", "--clear-groups"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others may look into; pytest closes its own whenever it starts."""
    with tempfile.TemporaryDirectory(prefix="gitpip-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@SQLITE
def test_a_read_only_database_is_a_clear_error(
    world: World, unprivileged: list[str], open_folder: Path
) -> None:
    file = open_folder / "gitpip.db"
    changed(world, GITPIP_DATABASE_URL=f"sqlite:///{file}")
    make_database(world)
    open_folder.chmod(0o555)
    file.chmod(0o444)

    served = as_somebody(unprivileged, world, open_folder, "serve")
    open_folder.chmod(0o755)

    assert served.returncode == 1
    assert str(file) in served.stderr
    assert "Traceback" not in served.stderr


@SQLITE
def test_a_folder_closed_to_this_user_is_a_clear_error(
    world: World, unprivileged: list[str], open_folder: Path
) -> None:
    closed = open_folder / "closed"
    file = closed / "gitpip.db"
    changed(world, GITPIP_DATABASE_URL=f"sqlite:///{file}")
    make_database(world)
    closed.chmod(0o700 if unprivileged else 0o000)

    status = as_somebody(unprivileged, world, open_folder, "status")
    doctor = as_somebody(unprivileged, world, open_folder, "doctor", "--json")
    closed.chmod(0o700)

    assert (status.returncode, doctor.returncode) == (1, 1)
    assert status.stderr.startswith(f"gitpip: {file} can't be written")
    findings = {one["about"]: one for one in json.loads(doctor.stdout)}
    assert findings["database"]["verdict"] == "failure"
    assert str(closed) in findings["database"]["found"]
    assert "GitHub" in findings


@SQLITE
def test_a_lock_that_another_user_left_is_a_clear_error(
    world: World, unprivileged: list[str], open_folder: Path
) -> None:
    file = open_folder / "gitpip.db"
    changed(world, GITPIP_DATABASE_URL=f"sqlite:///{file}")
    make_database(world)
    lock = open_folder / "gitpip.db.lock"
    lock.touch()
    lock.chmod(0o600 if unprivileged else 0o000)
    open_folder.chmod(0o777)
    file.chmod(0o666)

    served = as_somebody(unprivileged, world, open_folder, "serve")

    assert served.returncode == 1
    assert served.stderr.startswith(f"gitpip: {lock} can't be opened")
    assert "remove it" in served.stderr


def as_somebody(
    unprivileged: list[str], world: World, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*unprivileged, GITPIP, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **world.gitpip.environment, **_python_path()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _python_path() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
