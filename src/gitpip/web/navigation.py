"""The numbers in the navigation of every page: what is unread, and what needs attention."""

from fastapi import Request

from gitpip.errors import DatabaseUnavailable
from gitpip.store import read_state
from gitpip.store.publications import bounded
from gitpip.web.auth.identity import STATE
from gitpip.web.auth.viewer import viewer_of
from gitpip.web.context import Context
from gitpip.web.render.numbers import NavigationNumbers, numbers, up_to

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
            attention = await bounded.count_unsettled(transaction, MAX_COUNT_SHOWN + 1)
    except DatabaseUnavailable:
        return
    numbers.set(NavigationNumbers(_shown(unread.gists), _shown(attention), unread))


def _shown(number: int) -> str:
    return up_to(number, MAX_COUNT_SHOWN) if number else ""
