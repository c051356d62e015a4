"""Renewal of claims during long work: a list of many pages, a wait for a turn, other requests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from gitpip.errors import DatabaseUnavailable
from gitpip.store.database import Database
from gitpip.store.publications.delivered import Delivered

RENEWALS = 3
"""The number of renewals within the time of a claim, so that a late one does no harm."""


@asynccontextmanager
async def kept(
    database: Database,
    rows: Delivered,
    token: str,
    *,
    now: Callable[[], datetime],
    claim: timedelta,
) -> AsyncIterator[None]:
    """Renew the claims of this token on rows again and again, so that they outlast the block.

    A claim is not renewed once it is over. So a process that stood still, perhaps while its
    database was restored, loses its claims.
    """

    async def renew() -> None:
        async with database.begin() as transaction:
            await rows.renew(transaction, token, now(), claim)

    over = asyncio.Event()
    renewing = asyncio.create_task(_renew_until(over, renew, claim / RENEWALS))
    try:
        yield
    finally:
        over.set()  # not cancelled, as that would interrupt a transaction
        await renewing


async def _renew_until(
    over: asyncio.Event, renew: Callable[[], Awaitable[None]], every: timedelta
) -> None:
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(every.total_seconds()):
                await over.wait()
        if over.is_set():
            return
        with suppress(DatabaseUnavailable):  # the sender meets the same error
            await renew()
