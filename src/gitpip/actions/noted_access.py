"""Recording the rights that the settings give, at the start and when the settings' key changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from gitpip.actions.access_mode import AccessMode
from gitpip.background import in_background
from gitpip.config.reload import Credentials
from gitpip.errors import DatabaseUnavailable
from gitpip.store.access import noted
from gitpip.store.database import Database

NOTE_EVERY = timedelta(seconds=1)
"""The time between two notes. Secret files are read again less often."""
WITHOUT_KEY = frozenset({AccessMode.EVERYBODY, AccessMode.THIS_MACHINE})


@asynccontextmanager
async def noting_access(
    database: Database, credentials: Credentials, mode: AccessMode
) -> AsyncIterator[None]:
    """Record the rights that have no row, and the settings' key again whenever it changes.

    For processes that show pages. A full disk does not keep people from reading: it is tried again.
    """
    why = mode.value if mode in WITHOUT_KEY else ""
    noted_keys: list[str | None] = []

    async def note_news() -> None:
        key = _admin_key(credentials)
        if noted_keys == [key]:
            return
        with contextlib.suppress(DatabaseUnavailable):
            async with database.begin() as transaction:
                await noted.note_settings_key(transaction, key)
                await noted.note_without_key(transaction, why)
            noted_keys[:] = [key]

    async def follow() -> None:
        while True:
            await asyncio.sleep(NOTE_EVERY.total_seconds())
            await note_news()

    await note_news()
    async with in_background(follow()):
        yield


def _admin_key(credentials: Credentials) -> str | None:
    secret = credentials.settings.admin_key
    return secret.get_secret_value() if secret else None
