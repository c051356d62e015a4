"""A scene for the tests of publishing."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from gitpip.store.database import open_database
from gitpip_standins import Pipedrive as Crm
from gitpip_standins import Server
from tests.conftest import Administrator
from tests.support.clocks import Clock
from tests.support.mortal_database import make_hands
from tests.support.restores import Backup, OfFile, OfServer
from tests.support.scene import Scene, at
from tests.support.tokens import TOKEN


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crm(clock: Clock) -> Crm:
    """By the test's clock the window of a burst never ends, so there is no limit to bursts."""
    return Crm(token=TOKEN, clock=clock, burst=100_000, search_burst=None)


@pytest.fixture
def crm_url(crm: Crm) -> Iterator[str]:
    with Server(crm.app) as server:
        yield server.url


@pytest.fixture
async def scene(database_url: str, crm: Crm, crm_url: str, clock: Clock) -> AsyncIterator[Scene]:
    database = open_database(database_url)
    await make_hands(database)
    scene = Scene(database, database_url, crm, crm_url, clock)
    yield scene
    await scene.close()


@pytest.fixture
def backup(scene: Scene, tmp_path: Path, request: pytest.FixtureRequest) -> Backup:
    url = make_url(scene.url)
    if url.get_backend_name() == "sqlite":
        return OfFile(str(url.database))
    return OfServer(request.getfixturevalue("postgres"), str(url.database), tmp_path)


@pytest.fixture
async def empty(scene: Scene, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """A new, empty database for the same CRM."""
    url = make_url(scene.url)
    name = f"new_{uuid4().hex}"
    if url.get_backend_name() == "sqlite":
        url = url.set(database=f"{url.database}.{name}")
        shutil.copy(request.getfixturevalue("migrated_file"), str(url.database))
    else:
        administrator: Administrator = request.getfixturevalue("administrator")
        template = request.getfixturevalue("migrated_template")
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        url = url.set(database=name)
    other = at(scene, url.render_as_string(hide_password=False))
    other._gists = 0
    await make_hands(other.database)
    yield other
    await other.close()
    if url.get_backend_name() != "sqlite":
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
