"""The whole loop against built-in stand-ins: users who publish, a CRM that fills, no account."""

import asyncio
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from gitpip.clock import utc_now
from gitpip.config import load_settings
from gitpip.demo.cast import CAST, GUEST, perform, settle
from gitpip.errors import AccessUndecided
from gitpip.observability.logging import configure_logging
from gitpip.runtime import oneshot, serve
from gitpip.terminal import Terminal
from gitpip_standins import GitHub, Pipedrive, Server

TOKEN = "make-believe-token"  # noqa: S105 - opens nothing but the stand-ins
console = Terminal()


def run_demo() -> None:
    """Serve the demo on GITPIP_HOST and GITPIP_PORT until Ctrl-C; its data is gone afterwards."""
    github = GitHub(tokens={TOKEN})
    pipedrive = Pipedrive(token=TOKEN)
    pipedrive.company_domain = None  # pages would link to a company that is not the stand-in's
    with (
        tempfile.TemporaryDirectory(prefix="gitpip-demo-") as folder,
        Server(github.app) as github_server,
        Server(pipedrive.app) as pipedrive_server,
    ):
        kept = (
            *("GITPIP_HOST", "GITPIP_PORT", "GITPIP_ALLOW_ANONYMOUS", "GITPIP_ADMIN_KEY"),
            *("GITPIP_LOG_LEVEL", "GITPIP_LOG_FORMAT"),
        )
        environment = {"GITPIP_LOG_LEVEL": "WARNING"}
        environment |= {name: os.environ[name] for name in kept if name in os.environ}
        beside = {
            "GITPIP_DATA_DIR": folder,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": github_server.url,
            "PIPEDRIVE_TOKEN": TOKEN,
            "PIPEDRIVE_API_URL": f"{pipedrive_server.url}/api",
        }
        environment |= beside | {"GITPIP_CHECK_INTERVAL": "3s"}
        asyncio.run(_run(github, environment, _beside(folder, beside)))


def _beside(folder: str, environment: Mapping[str, str]) -> str:
    """What a shell runs to have the demo's status; in its folder, so that no .env is read."""
    called = Path(sys.argv[0])
    gitpip = str(called.resolve()) if called.name == "gitpip" else "gitpip"
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    return f"(cd {shlex.quote(folder)} && {settings} {shlex.quote(gitpip)} status)"


async def _run(github: GitHub, environment: Mapping[str, str], command: str) -> None:
    settings = load_settings(environment, env_file=None)
    configure_logging(settings.log_level, settings.log_format, secrets=settings.secrets)
    with serve.listening(settings.host, settings.port):
        pass  # a port that is taken is told of before anything is done
    settle(github, utc_now())
    for actor in CAST:
        await oneshot.add_user(settings, actor.login, external_id=None, backfill=None)
    stop = asyncio.Event()
    performance = asyncio.create_task(perform(github, stop, pause=timedelta(seconds=3)))

    def ready(address: str) -> None:
        for line in (
            "",
            f"  The demo runs: open {address}",
            f"  {len(CAST)} make-believe users publish a gist every few seconds; each file becomes "
            "an activity",
            "  in a make-believe Pipedrive. All of it is gone when you press Ctrl-C.",
            "",
            f"  Nobody tracks {GUEST.login} yet: add her on the page Users.",
            "  To use the commands beside it, copy this into another terminal; put others in the "
            "place of status:",
            "",
            f"  {command}",
            "",
        ):
            console.say(line)

    try:
        await serve.serve(settings, ready=ready)
    except AccessUndecided as error:
        raise AccessUndecided(
            f"{settings.host} can be reached from other machines: GITPIP_ALLOW_ANONYMOUS=all opens "
            "the demo to them, and GITPIP_ADMIN_KEY to those who have that key"
        ) from error
    finally:
        stop.set()
        await performance
