"""The whole loop against built-in stand-ins: users who publish, a CRM that fills, no account."""

import asyncio
import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

from gitpip.clock import utc_now
from gitpip.config import load_settings
from gitpip.demo.cast import CAST, GUEST, REFUSED, perform, settle
from gitpip.errors import AccessUndecided
from gitpip.observability.logging import configure_logging
from gitpip.runtime import oneshot, serve
from gitpip.store.database import Database
from gitpip.terminal import Terminal
from gitpip_standins import Fault, GitHub, Pipedrive, Server

TOKEN = "make-believe-token"  # noqa: S105 - opens nothing but the stand-ins
console = Terminal()


@dataclass(frozen=True)
class DemoPlaces:
    """The other places to see: the pages of the simulated Pipedrive, and a shell command."""

    crm: str
    command: str


def run_demo() -> None:
    """Serve the demo on GITPIP_HOST and GITPIP_PORT; Ctrl-C, SIGTERM or SIGHUP end it.

    Its data is gone afterwards, also where one of these comes during the start.
    """
    with suppress(KeyboardInterrupt):
        _serve_between_stand_ins()
    console.say("The demo stopped and deleted its data.")


def _serve_between_stand_ins() -> None:
    github = GitHub(tokens={TOKEN: "the-demo"})
    pipedrive = Pipedrive(token=TOKEN)
    pipedrive.company_domain = None  # pages link to the stand-in's own pages then
    (refused,) = REFUSED.files
    pipedrive.faults.script(
        Fault.says(400, {"success": False, "error": "Validation failed: the note is too cheerful"}),
        method="POST",
        path="/activities$",
        about=re.escape(refused),
    )
    with (
        _interrupted_once(),
        tempfile.TemporaryDirectory(prefix="gitpip-demo-") as folder,
        Server(github.app) as github_server,
        Server(pipedrive.app) as pipedrive_server,
    ):
        kept = (
            *("GITPIP_HOST", "GITPIP_PORT", "GITPIP_ALLOW_ANONYMOUS", "GITPIP_ADMIN_KEY"),
            *("GITPIP_LOG_LEVEL", "GITPIP_LOG_FORMAT"),
        )
        environment = {"GITPIP_LOG_LEVEL": "CRITICAL"}
        environment |= {name: os.environ[name] for name in kept if name in os.environ}
        beside = {
            "GITPIP_DATA_DIR": folder,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": github_server.url,
            "PIPEDRIVE_TOKEN": TOKEN,
            "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
            "GITPIP_CHECK_INTERVAL": "3s",
        }
        environment |= beside
        places = DemoPlaces(pipedrive_server.url, _beside(folder, beside))
        asyncio.run(_run(github, environment, places))


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """Let the first signal to stop raise KeyboardInterrupt, and ignore those that follow it.

    Stopping takes a moment, and a second signal must not keep it from deleting the data. While the
    demo is served, `serve` handles the signals.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _beside(folder: str, environment: Mapping[str, str]) -> str:
    """Return the shell command for the demo's status; in its folder, so that no .env is read."""
    called = Path(sys.argv[0])
    gitpip = str(called.resolve()) if called.name == "gitpip" else "gitpip"
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    return f"(cd {shlex.quote(folder)} && {settings} {shlex.quote(gitpip)} status)"


async def _run(github: GitHub, environment: Mapping[str, str], places: DemoPlaces) -> None:
    settings = load_settings(environment, env_file=None)
    configure_logging(settings.log_level, settings.log_format, secrets=settings.secrets)
    with serve.listening(settings.host, settings.port):
        pass  # a port in use is reported before anything is done
    settle(github, utc_now())
    console.say("  Simulated GitHub and Pipedrive are running.")
    console.say(f"  Adding {len(CAST)} simulated users …")
    for actor in CAST:
        await oneshot.add_user(settings, actor.login, external_id=None, backfill=None)
    stop = asyncio.Event()
    performance = asyncio.create_task(perform(github, stop, pause=timedelta(seconds=3)))

    async def ready(address: str, _: Database) -> None:
        for line in (
            f"  Demo ready → {address}",
            f"  {len(CAST)} simulated users post a gist every few seconds. Each file is sent to a "
            "simulated Pipedrive:",
            f"  {places.crm}",
            "",
            f"  {GUEST.login} is not tracked yet: add her under People.",
            "  Within half a minute there is also an edited file, one that is held because it "
            "contains a token,",
            "  and one that Pipedrive rejects. Press Ctrl-C to stop and delete all data.",
            "",
            "  To try the commands, copy this into another terminal, with any command for status:",
            "",
            f"  {places.command}",
            "",
            "  To change settings and rules, sign in with a key. To create one, use in place of "
            "status: keys create me --role admin",
            "",
        ):
            console.say(line)

    console.say("  Starting gitpip …")
    try:
        await serve.serve(settings, ready=ready, prints_code=False)
    except AccessUndecided as error:
        raise AccessUndecided(
            f"{settings.host} can be reached from other machines: GITPIP_ALLOW_ANONYMOUS=all opens "
            "the demo to everyone, GITPIP_ADMIN_KEY to those who have the key"
        ) from error
    finally:
        stop.set()
        await performance
