"""The query of publications, and the reading of its rows."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    type_coerce,
    union_all,
)

from gitpip.model import Publication, PublicationState
from gitpip.store.column_types import FilesOfActivity
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, gists, publications, revisions, users
from gitpip.store.schema_publishing import OF_HOLDER, holder, shown
from gitpip.store.visibility import tracked

DESCRIPTION = 200
"""The number of characters of a gist's description that are read with a publication."""
MAX_CHECKED_ONE_BY_ONE = 10_000
"""The most publications in a state that are checked one by one for a list."""

publication_of = reader(Publication)
"""Reads the publication from a row of `selected`."""

is_its_revision = and_(
    revisions.c.file_key == publications.c.file_key,
    revisions.c.revision == publications.c.revision,
)
"""The condition that a row of `revisions` has the older content that a publication is of."""


def is_in(state: PublicationState) -> ColumnElement[bool]:
    """Return the condition that a publication, or its holder if it has one, is in a state."""
    return or_(alone_in(state), part_in(state))


def shown_in(state: PublicationState) -> ColumnElement[bool]:
    """Return the condition `is_in`, evaluated row by row: for use behind other conditions.

    Without this SQLite begins with all publications in the state, even if nearly all are in it.
    """
    its_holder = publications.alias()
    of_holder = (
        select(its_holder.c.state)
        .where(its_holder.c.id == publications.c.part_of)
        .correlate_except(its_holder)
    )
    return func.coalesce(of_holder.scalar_subquery(), publications.c.state) == state.value


@cache
def alone_in(state: PublicationState) -> ColumnElement[bool]:
    """Return the condition that a publication without a holder is in a state."""
    return and_(publications.c.state == state.value, publications.c.part_of.is_(None))


@cache
def part_in(state: PublicationState) -> ColumnElement[bool]:
    """Return the condition that a publication's holder is in a state, evaluated for each part."""
    its_holder = publications.alias()
    # With EXISTS, PostgreSQL joined all parts with all holders in the state.
    of_holder = select(its_holder.c.state).where(its_holder.c.id == publications.c.part_of)
    # The state of parts lets both databases read them in the order of an index.
    is_part = and_(
        publications.c.state == PublicationState.SKIPPED.value, publications.c.part_of.is_not(None)
    )
    return and_(is_part, of_holder.correlate_except(its_holder).scalar_subquery() == state.value)


async def kinds_in(
    transaction: Transaction, states: Sequence[PublicationState]
) -> list[ColumnElement[bool]]:
    """Return conditions: one of them is true for a publication in these states.

    They are the kinds for `newest_of`.
    """
    return [
        kind for state in states for kind in (alone_in(state), await _parts(transaction, state))
    ]


def explained_in(states: Sequence[PublicationState]) -> list[ColumnElement[bool]]:
    """Return the kinds of publications with a reason, in any state without `states`.

    Parts have no reason.
    """
    reason = publications.c.reason.is_not(None)
    return [
        and_(publications.c.state == state.value, reason) for state in states or PublicationState
    ]


def newest_of(chosen: Select[Any], kinds: Sequence[ColumnElement[bool]], limit: int) -> Select[Any]:
    """Return the first `limit` rows of `chosen` of these kinds, the newest publications first.

    `chosen` begins with `publications.c.id`. Each kind has a query of its own, which an index
    answers in order: for all at once, a database would sort all that are of these kinds.
    """
    newest = chosen.order_by(publications.c.id.desc()).limit(limit)
    each = union_all(*(select(newest.where(kind).subquery()) for kind in kinds)).subquery()
    return select(each).order_by(each.c.id.desc()).limit(limit)


async def _parts(transaction: Transaction, state: PublicationState) -> ColumnElement[bool]:
    """Return `part_in` for a list: it begins with the holders if they are few."""
    if not await are_few(transaction, state):
        return part_in(state)
    return part_of_any_in(state, transaction.dialect.name)


async def are_few(transaction: Transaction, state: PublicationState) -> bool:
    """Return whether so few publications without a holder are in a state that each is checked."""
    some = (
        select(publications.c.id)
        .where(alone_in(state))
        .limit(MAX_CHECKED_ONE_BY_ONE + 1)
        .subquery()
    )
    return (
        await transaction.scalar(select(func.count()).select_from(some)) or 0
    ) <= MAX_CHECKED_ONE_BY_ONE


@cache
def part_of_any_in(state: PublicationState, dialect: str) -> ColumnElement[bool]:
    """Return the condition `part_in` for a state with few publications: it begins with these."""
    holders = publications.alias()
    in_state = select(holders.c.id).where(
        holders.c.state == state.value, holders.c.part_of.is_(None)
    )
    if dialect == "postgresql":
        # For `IN`, PostgreSQL 17 merged the holders with all parts, and read 100,000 for 1,000.
        return publications.c.part_of == func.any(func.array(in_state.scalar_subquery()))
    return publications.c.part_of.in_(in_state)


@cache
def selected() -> Select[Any]:
    """Return the query of publications, whose rows `publication_of` reads.

    It is cached, because building it takes longer than executing it for one publication.
    """
    return (
        select(
            *(column for column in publications.c if column.name not in OF_HOLDER),
            *map(shown, OF_HOLDER),
            users.c.login,
            users.c.publishing_mode,
            users.c.state.label("user_state"),
            gist_files.c.gist_id,
            gist_files.c.filename,
            func.substr(gists.c.description, 1, DESCRIPTION).label("description"),
            appeared_at().label("appeared_at"),
            type_coerce(_files_of_activity(), FilesOfActivity).label("sent_with"),
        )
        .select_from(publications)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .join(users, users.c.key == publications.c.user_key)
        .outerjoin(holder, holder.c.id == publications.c.part_of)
        .where(tracked)
    )


def appeared_at() -> ColumnElement[datetime | None]:
    """Return when a file appeared on GitHub; NULL if its gist is older."""
    came_with_its_gist = and_(
        publications.c.backfill == 0,
        publications.c.revision == 1,
        gist_files.c.found_at == gists.c.found_at,
    )
    return case((came_with_its_gist, gists.c.created_at))


def _files_of_activity() -> ColumnElement[str]:
    """Return the holder of a part, or the parts of a holder, as `FilesOfActivity` reads them."""
    others, files, files_of_holder = publications.alias(), gist_files.alias(), gist_files.alias()
    parts = (
        select(func.aggregate_strings(_named(others.c.id, files.c.filename), "/"))
        .join(files, files.c.key == others.c.file_key)
        .where(others.c.part_of == publications.c.id)
        .scalar_subquery()
    )
    of_holder = (
        select(_named(holder.c.id, files_of_holder.c.filename))
        .where(files_of_holder.c.key == holder.c.file_key)
        .scalar_subquery()
    )
    return case((publications.c.part_of.is_(None), parts), else_=of_holder)


def _named(number: ColumnElement[int], filename: ColumnElement[str]) -> ColumnElement[str]:
    return cast(number, Text).concat("/").concat(func.replace(filename, "/", "_"))
