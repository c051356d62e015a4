"""Whatever the vendors say, commands print it as text that steers no terminal."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitpip_standins import Fault, GitHub, Pipedrive, Server
from tests.journeys.conftest import World
from tests.support.running import Installation
from tests.support.tokens import TOKEN

ORDERS = "\x1b[2J\x1b]0;title\x07\x9b31m\x08\r\x7f\u202e"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All that a terminal obeys, and what turns the direction of text; only \\n and \\t are ours."""
SAID = ("message", "error", "error_info", "name", "description", "language", "company_name")
PAINTED = re.compile(rf'("(?:{"|".join(SAID)})"\s*:\s*")([A-Za-z])')


class Painting:
    """Puts a terminal's orders before everything that a vendor says in words."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.paints = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            orders = json.dumps(ORDERS).strip('"')
            painted = PAINTED.sub(lambda m: m[1] + orders + m[2], body.decode()).encode()
            if self.paints:
                body = painted
            headers = [(n, v) for n, v in start["headers"] if n.lower() != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        if scope["type"] == "http":
            await self._app(scope, receive, collect)
        else:
            await self._app(scope, receive, send)


@pytest.fixture
def painted(tmp_path: Path, migrated_file: Path) -> Iterator[World]:
    shutil.copy(migrated_file, tmp_path / "gitpip.db")
    github, pipedrive = GitHub(tokens={TOKEN}), Pipedrive(token=TOKEN)
    apps = Painting(github.app), Painting(pipedrive.app)
    with Server(apps[0]) as github_server, Server(apps[1]) as pipedrive_server:
        environment = {
            "GITPIP_DATA_DIR": str(tmp_path),
            "GITPIP_HTTP_TIMEOUT": "5s",
            "GITPIP_LOG_FORMAT": "console",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": github_server.url,
            "PIPEDRIVE_TOKEN": TOKEN,
            "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
        }
        for app in apps:
            app.paints = True
        yield World(github, pipedrive, Installation(tmp_path, environment), github_server.url)


def printed(world: World, *arguments: str) -> str:
    """All that a command prints, as people and as machines read it; nothing in it is an order."""
    result = world.gitpip.command(*arguments)
    for stream in (result.stdout, result.stderr):
        assert not STEERING.search(stream), (arguments, stream)
    return result.stdout + result.stderr


def test_no_command_prints_what_steers_a_terminal(painted: World) -> None:
    painted.github.add_user("ada")
    painted.github.add_gist("ada", {f"{ORDERS}notes.md": "# Notes", "more.py": "print()"})
    said: dict[Sequence[str], str] = {}

    def run(*arguments: str) -> None:
        said[arguments] = printed(painted, *arguments)

    run("users", "forecast", "ada")
    run("users", "add", "ada", "--id", "1")
    run("check")
    right = painted.gitpip.environment
    painted.gitpip.environment = {**right, "PIPEDRIVE_TOKEN": "revoked"}
    run("publish")
    run("doctor")
    run("status")
    painted.gitpip.environment = right
    painted.github.faults.script(Fault.error(500), times=None)
    run("check")
    run("users", "list")
    run("users", "show", "ada")
    run("publications", "list")
    run("publications", "show", "1")
    run("latest", "ada", "--no-record")
    run("latest", "ada", "--no-record", "--json")
    run("users", "add", "grace")
    run("users", "forecast", "grace")
    run("doctor", "--json")
    run("log")
    run("settings")
    wrong = painted.gitpip.folder / "users.csv"
    wrong.write_text(f"login\n{ORDERS}\n")
    run("users", "import", str(wrong))
    run("users", "import", str(painted.gitpip.folder / f"{ORDERS[:4]}none.csv"))
    run("users", "change", "ada", "--interval", ORDERS)
    run("keys", "create", ORDERS, "--role", "admin")
    run("feeds", "create", ORDERS)
    run("feeds", "list")

    # The orders did reach the commands, and are shown for what they are.
    assert r"\x1b[2J" in said["latest", "ada", "--no-record"]
    # Of what Pipedrive says only the printable characters are kept.
    assert any("[2J" in text for words, text in said.items() if words == ("doctor",))
