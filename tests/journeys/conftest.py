"""The world around a gitpip: both stand-ins on their sockets, and a place to install it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitpip_standins import GitHub, Pipedrive, Server
from tests.support.chromium import axe, browser, launcher
from tests.support.running import Installation
from tests.support.tokens import TOKEN

__all__ = ["axe", "browser", "launcher"]


@dataclass
class World:
    """The vendors, and a gitpip that is set up to use them."""

    github: GitHub
    pipedrive: Pipedrive
    gitpip: Installation
    github_url: str


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    github = GitHub(tokens={TOKEN})
    pipedrive = Pipedrive(token=TOKEN)
    with Server(github.app) as github_server, Server(pipedrive.app) as pipedrive_server:
        gitpip = Installation(
            tmp_path,
            {
                "GITPIP_DATABASE_URL": database_url,
                "GITPIP_PORT": "0",
                "GITPIP_CHECK_INTERVAL": "1s",
                "GITPIP_HTTP_TIMEOUT": "10s",
                "GITPIP_LOG_FORMAT": "json",
                "GITHUB_TOKEN": TOKEN,
                "GITHUB_API_URL": github_server.url,
                "PIPEDRIVE_TOKEN": TOKEN,
                "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
            },
        )
        world = World(github, pipedrive, gitpip, github_server.url)
        yield world
        world.gitpip.leave()
