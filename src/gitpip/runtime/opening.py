"""Opening the database of a service or a command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from gitpip.config import Settings, format_duration
from gitpip.config.reload import Credentials
from gitpip.errors import DatabaseMissing, DatabaseUnavailable
from gitpip.observability.logging import get_logger
from gitpip.store.database import Database, open_database, wait_until_reachable
from gitpip.store.postgres import UNREACHABLE_ADVICE

log = get_logger()


def opened(settings: Settings, *, makes: bool = False) -> AbstractAsyncContextManager[Database]:
    """Return the database of these settings, reachable and migrated.

    Raises DatabaseUnavailable (after waiting as long as the settings say), DatabaseUnsuitable and
    DatabaseTooNew. An SQLite file that is missing raises DatabaseMissing, unless `makes` is true:
    with a wrong path, the answer of a new, empty file would mislead.
    """
    if not makes and settings.sqlite_file and _is_missing(settings.sqlite_file):
        raise DatabaseMissing(
            f"there is no database at {settings.sqlite_file}; start gitpip serve, or set "
            "GITPIP_DATA_DIR or GITPIP_DATABASE_URL to where it is"
        )
    return opened_with(Credentials(settings))


def _is_missing(file: Path) -> bool:
    try:
        return not file.exists()
    except OSError:  # its folder is closed to this user, as opening the file will say
        return False


@asynccontextmanager
async def opened_with(credentials: Credentials) -> AsyncIterator[Database]:
    """Yield the database of a service, made if it is missing. It follows its secret files."""
    settings = credentials.settings
    # One of the connections is the scheduler's.
    database = open_database(settings.database_url, connections=settings.database_connections - 1)
    try:
        await _wait(database, credentials)
        await database.migrate()
        yield database
    finally:
        await database.close()


async def _wait(database: Database, credentials: Credentials) -> None:
    wait = credentials.settings.database_wait

    async def log_in_anew() -> None:
        if await asyncio.to_thread(credentials.reread):
            database.set_address(credentials.settings.database_url)

    try:
        await wait_until_reachable(database, timedelta(0))
    except DatabaseUnavailable as error:
        if database.is_sqlite:
            raise
        log.warning("database.waiting", reason=str(error), wait=format_duration(wait))
        try:
            await wait_until_reachable(database, wait, meanwhile=log_in_anew)
        except DatabaseUnavailable as last:
            advice = last.advice or UNREACHABLE_ADVICE
            raise DatabaseUnavailable(last.found, advice=advice) from last
