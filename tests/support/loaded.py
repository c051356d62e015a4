"""What the server that `forked` forks from loads, once, and tests that need no process do not.

Besides modules that is what every gitpip makes anew as it starts, and what differs in none.
"""

import asyncio

from gitpip.cli.main import main
from gitpip.http_client import client
from gitpip.model import Part
from gitpip.runtime.serve import serve
from gitpip.store.database import open_database
from gitpip.web.app import routes_of
from gitpip.web.render.jinja import templates
from tests.support.quick_sqlite import do_not_wait_for_the_disk

__all__ = ["main", "serve"]


async def _read_migrations() -> None:
    database = open_database("sqlite+aiosqlite://")
    await database.is_migrated()
    await database.close()


async def _read_authorities() -> None:
    async with client(timeout=1):
        pass


do_not_wait_for_the_disk()
asyncio.run(_read_migrations())
asyncio.run(_read_authorities())
for part in Part:
    routes_of(part)
for name in templates().list_templates():
    templates().get_template(name)
