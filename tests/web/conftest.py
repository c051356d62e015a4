"""A gitpip that serves over a socket with both stand-ins, and checks only when asked to."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from gitpip_standins import GitHub, Pipedrive, Server
from tests.support.running import Installation
from tests.support.tokens import TOKEN

Files = list[dict[str, object]]
_migrated: list[Path] = []
"""A migrated SQLite database, once there is one."""


@pytest.fixture(scope="session", autouse=True)
def _begin_migrated(migrated_file: Path) -> None:
    """Let each `serving` on SQLite begin with a copy: to migrate takes a second of a processor."""
    _migrated[:] = [migrated_file]


@dataclass
class Served:
    """A running gitpip and the vendors around it."""

    github: GitHub
    pipedrive: Pipedrive
    gitpip: Installation

    def api(self, method: str, path: str, body: dict[str, object] | None = None) -> httpx2.Response:
        """A request to the API for programs."""
        url = f"{self.gitpip.url}/api/v1{path}"
        return httpx2.request(method, url, json=body, timeout=20)

    def track(self, login: str, *gists: dict[str, str]) -> None:
        """Let an account with these gists appear at GitHub, and track it until they are found."""
        self.github.add_user(login)
        for files in gists:
            self.github.add_gist(login, files)
        assert self.gitpip.post(f"/users/{login}/id-of-{login}").status_code == 201
        self.wait_for_files(login, sum(map(len, gists)))

    def publish_another(self, login: str, files: dict[str, str]) -> None:
        """Let the user publish one more gist, and wait until it is found."""
        before = self.total(login)
        self.github.add_gist(login, files)
        assert self.gitpip.post("/api/v1/checks").status_code == 202
        self.wait_for_files(login, before + len(files))

    def total(self, login: str) -> int:
        found: int = self.gitpip.get(f"/api/v1/users/{login}/gists").json()["total"]
        return found

    def wait_for_files(self, login: str, number: int) -> None:
        self.gitpip.wait_for(lambda: self.total(login) == number, f"{number} files of {login}")


@contextmanager
def serving(folder: Path, database_url: str, **settings: str) -> Iterator[Served]:
    """A gitpip on this database, which is made where it is a file that is not there."""
    file = Path(database_url.removeprefix("sqlite+aiosqlite:///"))
    if _migrated and file.is_relative_to(folder) and not file.exists():
        shutil.copy(_migrated[0], file)
    github = GitHub(tokens={TOKEN})
    pipedrive = Pipedrive(token=TOKEN)
    with Server(github.app) as github_server, Server(pipedrive.app) as pipedrive_server:
        gitpip = Installation(
            folder,
            {
                "GITPIP_DATABASE_URL": database_url,
                "GITPIP_PORT": "0",
                "GITPIP_CHECK_INTERVAL": "1h",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_TOKEN": TOKEN,
                "GITHUB_API_URL": github_server.url,
                "PIPEDRIVE_TOKEN": TOKEN,
                "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
                **settings,
            },
        )
        gitpip.start()
        try:
            gitpip.wait_for(lambda: gitpip.get("/ready").status_code == 200, "readiness")
            yield Served(github, pipedrive, gitpip)
        finally:
            gitpip.leave()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/gitpip.sqlite3") as served:
        yield served


@pytest.fixture(scope="module")
def served_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for a whole module, whose tests leave no user behind."""
    folder = tmp_path_factory.mktemp("gitpip")
    with serving(folder, f"sqlite+aiosqlite:///{folder}/gitpip.sqlite3") as served:
        yield served


@pytest.fixture
def served_from_any(database_url: str, tmp_path: Path) -> Iterator[Served]:
    """Once for each kind of database."""
    with serving(tmp_path, database_url) as served:
        yield served
