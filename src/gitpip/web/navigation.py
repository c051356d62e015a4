"""The header of every page: what is unread, what needs attention, and whether sync is paused."""

from datetime import datetime

from fastapi import Request

from gitpip.clock import utc_now
from gitpip.errors import DatabaseUnavailable
from gitpip.store import read_state
from gitpip.store.database import Transaction
from gitpip.store.publications import bounded_counts
from gitpip.store.status import pauses, publishing_pause
from gitpip.web.auth.identity import STATE
from gitpip.web.auth.viewer import viewer_of
from gitpip.web.context import Context
from gitpip.web.render.numbers import NavigationNumbers, SyncPause, numbers, up_to

MAX_COUNT_SHOWN = 999
"""Beyond this a number is shown as `999+`, and counting ends."""


async def count_for_navigation(request: Request, context: Context) -> None:
    """Count for the page that answers this request; a page is shown without its numbers where
    the database gives no answer."""
    if request.scope.get(STATE) is None:
        return
    try:
        async with context.database.read() as transaction:
            unread = await read_state.unread(transaction, viewer_of(request))
            attention = await bounded_counts.count_unsettled(transaction, MAX_COUNT_SHOWN + 1)
            pause = await _sync_pause(transaction, utc_now())
    except DatabaseUnavailable:
        return
    numbers.set(NavigationNumbers(_shown(unread.gists), _shown(attention), unread, pause))


async def _sync_pause(transaction: Transaction, now: datetime) -> SyncPause | None:
    """Return the pause during which nothing is sent, a person's before our own."""
    if by_person := await publishing_pause.current(transaction, now):
        return SyncPause(by_person.until, retries=False)
    current = await pauses.pauses_now(transaction, now)
    ends = [current[name].until for name in pauses.STOPS_PUBLISHING if name in current]
    return SyncPause(max(ends), retries=True) if ends else None


def _shown(number: int) -> str:
    return up_to(number, MAX_COUNT_SHOWN) if number else ""
