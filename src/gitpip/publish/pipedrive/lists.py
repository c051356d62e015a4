"""The pages of lists: every readable entry is read, and the others are counted.

A list may hold something odd: null, a text, an object without an id, or one whose text is missing.
That must not stop the reading of the other entries, so it is left out and logged. It matters in one
case: an unreadable activity may hold the marker searched for, and an unreadable deal may be the one
searched for. So a caller must not conclude from a list with `unread` entries that something is
absent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gitpip.clock import whole_seconds
from gitpip.observability.logging import get_logger
from gitpip.observability.redaction import redacted
from gitpip.publish.delivery import Ambiguous, Outcome
from gitpip.publish.destination import Item, ListPage, LookFailed
from gitpip.publish.pipedrive.answers import Json, Success, data, next_cursor

MAX_LOGGED = 200
"""The most characters of something odd that are logged."""

log = get_logger()


@dataclass(frozen=True)
class Hits:
    """The hits of a search, and how many of them could not be read."""

    items: tuple[Item, ...]
    unread: int


def read_hits(answer: Success | Outcome, path: str, read: Callable[[object], Item | None]) -> Hits:
    """Return the hits of a search. Raises LookFailed."""
    found = data(answer)
    hits = found.get("items") if isinstance(found, dict) else None
    if not isinstance(hits, list):
        raise LookFailed(Ambiguous(f"the search {path} holds no list"))
    items = [hit.get("item") if isinstance(hit, dict) else hit for hit in hits]
    readable_ones = readable(items, path, read)
    return Hits(readable_ones, len(items) - len(readable_ones))


def read_page(
    answer: Success | Outcome,
    path: str,
    read: Callable[[object], Item | None],
    *,
    asked: int,
) -> ListPage:
    """Return one page of the list `path`, of which `asked` entries were requested.

    A page that does not say whether it is the last one counts as the last if it is not full, but
    something may be missing then. Raises LookFailed.
    """
    entries = _entries(answer, path)
    items = readable(entries, path, read)
    cursor, told = _cursor(answer, path, is_full=len(entries) >= asked)
    unread = len(entries) - len(items) + (not told)
    return ListPage(items, cursor, answer.at if isinstance(answer, Success) else None, unread)


@dataclass(frozen=True)
class Fields:
    """One page of the fields of deals, each with a name and a code."""

    fields: tuple[Json, ...]
    cursor: str | None
    unread: int


def read_fields(answer: Success | Outcome, path: str, *, asked: int) -> Fields:
    """Return one page of the list of fields. Raises LookFailed."""
    entries = _entries(answer, path)
    fields = tuple(
        entry
        for entry in entries
        if isinstance(entry, dict)
        and isinstance(entry.get("field_name"), str)
        and isinstance(entry.get("field_code"), str)
    )
    cursor, told = _cursor(answer, path, is_full=len(entries) >= asked)
    return Fields(fields, cursor, len(entries) - len(fields) + (not told))


def _entries(answer: Success | Outcome, path: str) -> list[object]:
    entries = data(answer)
    if not isinstance(entries, list):
        raise LookFailed(Ambiguous(f"the list {path} holds no list"))
    return entries


def _cursor(answer: Success | Outcome, path: str, *, is_full: bool) -> tuple[str | None, bool]:
    """Return the cursor of the next page, and whether the answer tells it."""
    try:
        return next_cursor(answer), True
    except LookFailed:
        if is_full:
            raise
        log.warning("pipedrive.end_not_told", path=path)
        return None, False


def readable(
    entries: list[object], path: str, read: Callable[[object], Item | None]
) -> tuple[Item, ...]:
    """Return the readable entries of a list. The others are logged."""
    found = [(entry, read(entry)) for entry in entries]
    odd = [entry for entry, one in found if one is None]
    if odd:
        first = redacted(repr(odd[0])[: 2 * MAX_LOGGED])[:MAX_LOGGED]
        log.warning("pipedrive.entry_unreadable", path=path, entries=len(odd), first=first)
    return tuple(one for _, one in found if one is not None)


def newest_first(since: datetime | None) -> dict[str, str | int]:
    """Return the query for a list, newest first, of all or of what changed after `since`."""
    query: dict[str, str | int] = {"sort_by": "id", "sort_direction": "desc"}
    return query | ({"updated_since": whole_seconds(since)} if since else {})
