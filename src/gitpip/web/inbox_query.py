"""The query of the inbox, for API, pages and feeds: its filter, and where a page of it begins."""

from typing import Annotated

from fastapi import Depends, Query

from gitpip.errors import InvalidInput
from gitpip.store.inbox import pages
from gitpip.store.inbox.filters import InboxFilter


def _asked(  # noqa: PLR0913 - one for each field of the query
    *,
    q: Annotated[str, Query(max_length=200)] = "",
    language: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=50)] = "",
    state: str = "",
    user: Annotated[str, Query(max_length=100)] = "",
    since: str = "",
    until: str = "",
    by: str = "",
    show: str = "",
) -> InboxFilter:
    given = {"q": q, "language": language, "tag": tag, "state": state, "user": user}
    return InboxFilter.of(given | {"since": since, "until": until, "by": by, "show": show})


AskedFilter = Annotated[InboxFilter, Depends(_asked)]


def start_of(text: str) -> pages.Position | None:
    """Return where a page begins, from the `next` of another one. Raises InvalidInput."""
    found = pages.position(text) if text else None
    if text and found is None:
        raise InvalidInput("before", f"must be the `next` of another page, not {text[:40]!r}")
    return found
