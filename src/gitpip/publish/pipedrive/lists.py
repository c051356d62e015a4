"""One page of a list: everything that can be read is read, and the rest is counted.

A list may hold something odd: null, a text, an object without an id, or one whose text is none. It
must not stop what the other entries are read for, so it is left out and logged. What it could have
been matters in one case: an activity that can't be read may hold the marker that is looked for, and
a deal may be the one that is looked for. So `unread` tells those who would conclude from the list
that something is absent: they must not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gitpip.observability.logging import get_logger
from gitpip.observability.redaction import redacted
from gitpip.publish.delivery import Ambiguous, Outcome
from gitpip.publish.destination import Item, ListPage, LookFailed
from gitpip.publish.pipedrive.answers import Answer, Json, data, next_cursor

SHOWN = 200
"""How many characters of something odd are logged."""

log = get_logger()


@dataclass(frozen=True)
class Hits:
    """What a search found, and how many of its hits could not be read."""

    items: tuple[Item, ...]
    unread: int


def read_hits(answer: Answer | Outcome, path: str, read: Callable[[object], Item | None]) -> Hits:
    """What a search found. Raises LookFailed."""
    found = data(answer)
    hits = found.get("items") if isinstance(found, dict) else None
    if not isinstance(hits, list):
        raise LookFailed(Ambiguous(f"the search {path} holds no list"))
    items = [hit.get("item") if isinstance(hit, dict) else hit for hit in hits]
    readable_ones = readable(items, path, read)
    return Hits(readable_ones, len(items) - len(readable_ones))


def read_page(
    answer: Answer | Outcome, path: str, read: Callable[[object], Item | None], *, asked: int
) -> ListPage:
    """One page of the list `path`, of which `asked` entries were asked for. Raises LookFailed.

    A page that does not say whether it is the last one counts as the last if it is not full, but
    something may be missing then.
    """
    entries = _entries(answer, path)
    items = readable(entries, path, read)
    cursor, told = _cursor(answer, path, is_full=len(entries) >= asked)
    unread = len(entries) - len(items) + (not told)
    return ListPage(items, cursor, answer.at if isinstance(answer, Answer) else None, unread)


@dataclass(frozen=True)
class Fields:
    """One page of the fields of deals, each with a name and a code."""

    fields: tuple[Json, ...]
    cursor: str | None
    unread: int


def read_fields(answer: Answer | Outcome, path: str, *, asked: int) -> Fields:
    """One page of the list of fields. Raises LookFailed."""
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


def _entries(answer: Answer | Outcome, path: str) -> list[object]:
    entries = data(answer)
    if not isinstance(entries, list):
        raise LookFailed(Ambiguous(f"the list {path} holds no list"))
    return entries


def _cursor(answer: Answer | Outcome, path: str, *, is_full: bool) -> tuple[str | None, bool]:
    """The cursor of the next page, and whether the answer tells it."""
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
    """Those entries of a list that can be read; the others are logged."""
    found = [(entry, read(entry)) for entry in entries]
    odd = [entry for entry, one in found if one is None]
    if odd:
        first = redacted(repr(odd[0])[: 2 * SHOWN])[:SHOWN]
        log.warning("pipedrive.entry_unreadable", path=path, entries=len(odd), first=first)
    return tuple(one for _, one in found if one is not None)


def newest_first(since: datetime | None) -> dict[str, str | int]:
    """The query of a list from its newest entry on, of all or of what changed after `since`."""
    query: dict[str, str | int] = {"sort_by": "id", "sort_direction": "desc"}
    return query | ({"updated_since": whole_seconds(since)} if since else {})


def whole_seconds(moment: datetime) -> str:
    """A time as Pipedrive takes it: it refuses fractions of a second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
