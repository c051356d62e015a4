"""Filters of the inbox that a reader saved under a name."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType
from urllib.parse import parse_qsl

from sqlalchemy import delete, func, insert, select, update

from gitpip.errors import FilterNotFound, InvalidInput
from gitpip.store import commit_order
from gitpip.store.database import Transaction
from gitpip.store.inbox.filters import InboxFilter
from gitpip.store.rows import reader
from gitpip.store.schema_inbox import inbox_filters
from gitpip.validation import possible_login

FilterId = NewType("FilterId", int)

FILTER_NAME_LIMIT = 60
FILTERS = 30
"""The most filters that a reader can save."""


@dataclass(frozen=True)
class SavedFilter:
    """A filter with the name that its reader gave it."""

    id: FilterId
    viewer: str
    name: str
    query: str
    """The fields of the filter as a query string."""
    saved_at: datetime

    @property
    def filter(self) -> InboxFilter:
        """The fields of the filter."""
        return InboxFilter.of(dict(parse_qsl(self.query)))


_saved_filter = reader(SavedFilter)


async def save(
    transaction: Transaction, viewer: str, name: str, asked: InboxFilter, now: datetime
) -> SavedFilter:
    """Save a filter; it replaces one with the same name and keeps its id.

    Raises InvalidInput, and UserNotTracked for a user that can't exist.
    """
    if asked.user:
        possible_login(asked.user)
    if not name or len(name) > FILTER_NAME_LIMIT or not name.isprintable():
        raise InvalidInput(
            "name", f"must be 1 to {FILTER_NAME_LIMIT} printable characters, e.g. vip"
        )
    await commit_order.one_at_a_time(transaction, viewer)
    of_viewer = inbox_filters.c.viewer == viewer
    replaced = await transaction.execute(
        update(inbox_filters)
        .where(of_viewer, inbox_filters.c.name == name)
        .values(query=asked.query, saved_at=now)
        .returning(inbox_filters)
    )
    if row := replaced.one_or_none():
        return _saved_filter(row)
    number = await transaction.scalar(select(func.count()).where(of_viewer))
    if (number or 0) >= FILTERS:
        raise InvalidInput("name", f"you have {FILTERS} filters already; delete one first")
    saved = await transaction.execute(
        insert(inbox_filters)
        .values(viewer=viewer, name=name, query=asked.query, saved_at=now)
        .returning(inbox_filters)
    )
    return _saved_filter(saved.one())


async def remove(transaction: Transaction, viewer: str, filter_id: FilterId) -> SavedFilter:
    """Delete a filter of this reader. Raises FilterNotFound."""
    gone = await transaction.execute(
        delete(inbox_filters)
        .where(inbox_filters.c.viewer == viewer, inbox_filters.c.id == filter_id)
        .returning(inbox_filters)
    )
    row = gone.one_or_none()
    if row is None:
        raise FilterNotFound(f"you have no saved filter {filter_id}")
    return _saved_filter(row)


async def of_viewer(transaction: Transaction, viewer: str) -> tuple[SavedFilter, ...]:
    """Return the filters that a reader saved, by name."""
    found = await transaction.execute(
        select(inbox_filters)
        .where(inbox_filters.c.viewer == viewer)
        .order_by(func.lower(inbox_filters.c.name), inbox_filters.c.id)
    )
    return tuple(_saved_filter(row) for row in found)
