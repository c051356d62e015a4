"""Stand-ins on sockets, clients for them, and what the vendors publish on npm."""

import fcntl
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from gitpip_standins import GitHub, Pipedrive, Server
from tests.support.clocks import Clock

GITHUB_SCHEMA = "@octokit/openapi@23.0.2"
PIPEDRIVE_CLIENT = "pipedrive@33.7.0"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(clock: Clock) -> GitHub:
    return GitHub(tokens={"ada-token": "ada"}, clock=clock)


@pytest.fixture
def github_client(github: GitHub) -> Iterator[httpx2.Client]:
    with (
        Server(github.app) as server,
        httpx2.Client(base_url=server.url, headers={"authorization": "Bearer ada-token"}) as client,
    ):
        yield client


@pytest.fixture
def pipedrive(clock: Clock) -> Pipedrive:
    return Pipedrive(token="secret", clock=clock)


@pytest.fixture
def pipedrive_client(pipedrive: Pipedrive) -> Iterator[httpx2.Client]:
    with (
        Server(pipedrive.app) as server,
        httpx2.Client(base_url=server.url, headers={"x-api-token": "secret"}) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def npm(request: pytest.FixtureRequest) -> Path:
    """A folder with GitHub's schema (`github.json`) and Pipedrive's client (`node_modules`)."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: the vendors' published packages can't be fetched")
    folder = request.config.cache.mkdir("npm")
    with (folder / "lock").open("w") as lock:
        # Tests that run side by side share the folder.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _fetch_schema(folder)
        _fetch_client(folder)
    return folder


def _fetch_schema(folder: Path) -> None:
    schema = folder / "github.json"
    mark = folder / "github.version"
    if schema.exists() and mark.exists() and mark.read_text() == GITHUB_SCHEMA:
        return
    packed = subprocess.run(
        ["npm", "pack", GITHUB_SCHEMA, "--json"], cwd=folder, check=True, capture_output=True
    )
    tarball = folder / next(folder.glob("octokit-openapi-*.tgz")).name
    assert packed.returncode == 0
    with tarfile.open(tarball) as archive:
        member = archive.extractfile("package/generated/api.github.com.json")
        assert member is not None
        document = json.load(member)
    wanted = {"openapi": document["openapi"], "components": document["components"]}
    schema.write_text(json.dumps(wanted))
    mark.write_text(GITHUB_SCHEMA)
    tarball.unlink()


def _fetch_client(folder: Path) -> None:
    manifest = folder / "node_modules" / "pipedrive" / "package.json"
    version = PIPEDRIVE_CLIENT.rpartition("@")[2]
    if manifest.exists() and json.loads(manifest.read_text())["version"] == version:
        return
    (folder / "package.json").write_text('{"private": true}')
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", PIPEDRIVE_CLIENT],
        cwd=folder,
        check=True,
        capture_output=True,
    )
