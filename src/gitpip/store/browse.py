"""What the pages list: users and files, filtered, sorted, and a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.model import FileKey, GistFile, Page, PublicationState, User, UserKey, UserState
from gitpip.store import search
from gitpip.store.gists import file_of, select_files
from gitpip.store.news import PREVIEW, seen_by
from gitpip.store.schema import gist_files, gists, publications, user_tags, users, visits
from gitpip.store.users import rows, tracked, user_of


class UserSort(StrEnum):
    """By what the users are sorted."""

    LOGIN = "login"
    FOUND = "found"
    CHECKED = "checked"
    STALE = "stale"


ORDERS: dict[UserSort, Sequence[ColumnElement[object]]] = {
    UserSort.LOGIN: (func.lower(users.c.login),),
    UserSort.FOUND: (users.c.found_at.desc().nulls_last(), users.c.key),
    UserSort.CHECKED: (users.c.checked_at.desc().nulls_last(), users.c.key),
    UserSort.STALE: (users.c.complete_until.asc().nulls_first(), users.c.key),
}


@dataclass(frozen=True)
class UserWanted:
    """Which users are listed; what is empty does not narrow."""

    login: str = ""
    tag: str = ""
    state: UserState | None = None


@dataclass(frozen=True)
class ListedUser:
    """A user in the list, and how many files of theirs the viewer has not seen."""

    user: User
    new: int


async def list_users(
    transaction: AsyncConnection,
    viewer: str,
    wanted: UserWanted,
    sort: UserSort,
    *,
    offset: int,
    limit: int,
) -> Page[ListedUser]:
    """A page of the tracked users."""
    conditions: list[ColumnElement[bool]] = [tracked]
    if wanted.login:
        conditions.append(func.lower(users.c.login).contains(wanted.login.lower(), autoescape=True))
    if wanted.state:
        conditions.append(users.c.state == wanted.state.value)
    if wanted.tag:
        conditions.append(users.c.key.in_(_tagged(wanted.tag)))
    total = await transaction.scalar(select(func.count()).select_from(users).where(*conditions))
    # First the keys alone: what is looked up for each row would be looked up for those left out.
    keys = (
        select(users.c.key)
        .where(*conditions)
        .order_by(*ORDERS[sort])
        .offset(offset)
        .limit(limit)
        .subquery()
    )
    found = await transaction.execute(
        rows()
        .add_columns(seen_by(viewer).label("seen"))
        .where(users.c.key.in_(select(keys.c.key)))
        .order_by(*ORDERS[sort])
    )
    items = [ListedUser(user_of(row), max(row.last_sequence - row.seen, 0)) for row in found]
    return Page(tuple(items), total or 0)


@dataclass(frozen=True)
class FileWanted:
    """Which files are listed; what is empty does not narrow."""

    text: str = ""
    language: str = ""
    tag: str = ""
    state: PublicationState | None = None
    since: datetime | None = None
    before: datetime | None = None
    user_key: UserKey | None = None

    @property
    def narrows(self) -> bool:
        """Whether anything is asked for at all."""
        return any((self.text, self.language, self.tag, self.state, self.since, self.before))


async def list_files(
    transaction: AsyncConnection,
    wanted: FileWanted,
    *,
    before: FileKey | None,
    limit: int,
    content_limit: int = PREVIEW,
) -> tuple[GistFile, ...]:
    """The newest files found, with the beginnings of their contents; `before` is for the next page.

    A row more than `limit` tells that there is a next page.
    """
    conditions: list[ColumnElement[bool]] = [tracked]
    if before is not None:
        conditions.append(gist_files.c.key < before)
    if wanted.user_key is not None:
        conditions.append(gist_files.c.user_key == wanted.user_key)
    if wanted.language:
        conditions.append(gist_files.c.language == wanted.language)
    if wanted.tag:
        conditions.append(gist_files.c.user_key.in_(_tagged(wanted.tag)))
    if wanted.state:
        conditions.append(publications.c.state == wanted.state.value)
    if wanted.since:
        conditions.append(gist_files.c.found_at >= wanted.since)
    if wanted.before:
        conditions.append(gist_files.c.found_at < wanted.before)
    if wanted.text:
        conditions.append(search.matching(transaction, wanted.text))
    found = await transaction.execute(
        select_files(content_limit)
        .where(*conditions)
        .order_by(gist_files.c.key.desc())
        .limit(limit + 1)
    )
    return tuple(file_of(row) for row in found)


async def languages(transaction: AsyncConnection) -> tuple[str, ...]:
    """The languages that occur, by name."""
    return await _different(transaction, gist_files.c.language)


async def tags(transaction: AsyncConnection) -> tuple[str, ...]:
    """The tags in use, by name."""
    return await _different(transaction, user_tags.c.tag)


async def _different(transaction: AsyncConnection, column: Column[str]) -> tuple[str, ...]:
    """The first values of a column, found by leaps through its index and not by reading it."""
    leaps = select(func.min(column).label("value")).cte(recursive=True)
    beyond = select(func.min(column)).where(column > leaps.c.value).scalar_subquery()
    leaps = leaps.union_all(select(beyond).where(leaps.c.value.is_not(None)))
    found = await transaction.execute(select(leaps.c.value).limit(CHOICES))
    return tuple(value for value in found.scalars() if value)


async def count_gists(transaction: AsyncConnection, user_key: UserKey) -> int:
    """How many of a user's gists are stored."""
    return await transaction.scalar(select(func.count()).where(gists.c.user_key == user_key)) or 0


async def gist_times(
    transaction: AsyncConnection, user_key: UserKey, since: datetime
) -> tuple[datetime, ...]:
    """When the user's gists of late were created."""
    found = await transaction.execute(
        select(gists.c.created_at).where(gists.c.user_key == user_key, gists.c.created_at >= since)
    )
    return tuple(found.scalars())


CHOICES = 200
"""So many languages or tags can be chosen from."""


def _tagged(tag: str) -> Select[tuple[int]]:
    return select(user_tags.c.user_key).where(user_tags.c.tag == tag)


async def seen_of(transaction: AsyncConnection, user_key: UserKey, viewer: str) -> int:
    """The sequence up to which a viewer has seen a user's files, on whichever page."""
    seen = await transaction.scalar(select(seen_by(viewer)).where(users.c.key == user_key))
    return seen or 0


async def last_visit(
    transaction: AsyncConnection, user_key: UserKey, viewer: str
) -> datetime | None:
    """When a viewer last marked files of a user as seen."""
    return await transaction.scalar(
        select(visits.c.at)
        .where(visits.c.user_key == user_key, visits.c.viewer == viewer)
        .order_by(visits.c.up_to.desc(), visits.c.id.desc())
        .limit(1)
    )
