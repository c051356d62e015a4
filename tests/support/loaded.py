"""What the server that `forked` forks from loads, once, and tests that need no process do not.

Besides modules that is what every gitpip makes anew as it starts, and what differs in none.
"""

import asyncio
import gc
import importlib
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
from sqlalchemy.exc import SAWarning
from typer import main as typer_main

from gitpip.__main__ import main
from gitpip.backfill import Backfill
from gitpip.cli.main import app
from gitpip.clock import utc_now
from gitpip.config import Settings, load_settings
from gitpip.http_client import client
from gitpip.observability import metrics
from gitpip.observability.logging import configure_logging
from gitpip.publish.credentials.detector import DETECTOR
from gitpip.runtime.heartbeat import heartbeat
from gitpip.runtime.serve import serve
from gitpip.runtime.worker import working
from gitpip.store.database import Database, open_database
from gitpip.store.schema import metadata
from gitpip.store.users import users
from gitpip.web.render.jinja import templates
from gitpip_standins import GitHub, Pipedrive, Server
from tests.support.quick_sqlite import do_not_wait_for_the_disk
from tests.support.statements import compile_once
from tests.support.tokens import TOKEN
from tests.web.routes import application

__all__ = ["main", "serve"]

PAGES = (
    *("/", "/people", "/people?q=ada", "/publications", "/status-page", "/status"),
    *("/metrics", "/users", "/api/v1/users", "/api/v1/publications", "/api/v1/checks"),
)
"""What many a test asks for: their queries are compiled, and their answers' parts are made."""


async def _read_migrations() -> None:
    database = open_database("sqlite+aiosqlite://")
    await database.is_migrated()
    await database.close()


async def _read_authorities() -> None:
    async with client(timeout=1):
        pass


async def _work_and_answer(folder: Path) -> None:
    """Find and publish a file, and show it: each query is compiled once for all processes."""
    configure_logging("ERROR", "console")  # until a process does it for itself
    github, pipedrive = GitHub(tokens={TOKEN}), Pipedrive(token=TOKEN)
    github.add_user("ada")
    github.add_gist("ada", {"loaded.py": "print('of no test')"})
    with Server(github.app) as there, Server(pipedrive.app) as elsewhere:
        settings = load_settings(
            {
                "GITPIP_DATA_DIR": str(folder),
                "GITHUB_TOKEN": TOKEN,
                "GITHUB_API_URL": there.url,
                "PIPEDRIVE_TOKEN": TOKEN,
                "PIPEDRIVE_API_URL": f"{elsewhere.url}/api",
            },
            env_file=None,
        )
        database = open_database(settings.database_url)
        async with database.begin() as transaction:
            await transaction.run_sync(metadata.create_all)
            every, now = Backfill.parse("all"), utc_now()
            await users.add(
                transaction, "ada", external_id="1", account=None, backfill=every, now=now
            )
        async with working(settings, database) as worker, heartbeat(database):
            await worker.wake("check")
            await asyncio.to_thread(pipedrive.wait_until, lambda: bool(pipedrive.activities), 240)
            await _ask_for_pages(database, settings)
        await database.close()
    DETECTOR.close()
    importlib.reload(metrics)  # which begins to count anew


async def _ask_for_pages(database: Database, settings: Settings) -> None:
    transport = httpx2.ASGITransport(application(database, settings), client=("127.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as asking:
        for page in PAGES:
            answer = await asking.get(page)
            assert answer.status_code == 200, page


def _make_commands() -> None:
    """Typer makes all commands anew at each start, from the types of their parameters."""
    make = cache(typer_main.get_command)
    make(app)
    setattr(typer_main, "get_command", make)  # noqa: B010 - mypy sees no override


# A query that pairs each row with each row of another table fails.
warnings.simplefilter("error", SAWarning)
do_not_wait_for_the_disk()
compile_once()
_make_commands()
asyncio.run(_read_migrations())
asyncio.run(_read_authorities())
for name in templates().list_templates():
    templates().get_template(name)
with TemporaryDirectory() as folder:
    asyncio.run(_work_and_answer(Path(folder)))
# As `gitpip` does after loading: what is shared with the forked is neither visited nor copied.
gc.collect()
gc.freeze()
