"""Asking Pipedrive once more where its answer says nothing."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from gitpip.publish.destination import LookFailed

Read = TypeVar("Read")

ASKED_TWICE_FOR = timedelta(hours=1)
"""How long a look asks twice, from the last send or the last look that did not fail.

A look that concludes absence needs several answers in a row, and its wait doubles with each
failure. With one request in three failing, three looks in four failed: of 10,000 files, 235 still
waited after an hour, and the files of two users, for their deals.
"""


def is_young(since: datetime | None, now: datetime) -> bool:
    """Return whether a look asks twice, so long after its last send or look."""
    return since is not None and now - since <= ASKED_TWICE_FOR


async def asked_twice(read: Callable[[], Awaitable[Read]], *, twice: bool) -> Read:
    """Return what `read` returns, if need be the second time. Raises its LookFailed."""
    try:
        return await read()
    except LookFailed as failure:
        if not (twice and failure.says_nothing):
            raise
    return await read()
