"""Publications as they are read: the query, and what a row of it means."""

from collections.abc import Sequence
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
"""How many characters of a gist's description are read with a publication."""
FEW = 10_000
"""So many publications in a state are looked at, rather than all others that a list is about."""

publication_of = reader(Publication)
"""The publication in a row of `selected`."""

is_its_revision = and_(
    revisions.c.file_key == publications.c.file_key,
    revisions.c.revision == publications.c.revision,
)
"""Whether a row of `revisions` has the older content that a publication is of."""


def is_in(state: PublicationState) -> ColumnElement[bool]:
    """Whether a publication is in a state, by that of its holder where it has one."""
    return or_(alone_in(state), part_in(state))


def shown_in(state: PublicationState) -> ColumnElement[bool]:
    """The same as `is_in`, looked up row by row: for what other conditions find first.

    Without this SQLite begins with all publications in the state, also where nearly all are in it.
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
    """Whether a publication without a holder is in a state."""
    return and_(publications.c.state == state.value, publications.c.part_of.is_(None))


@cache
def part_in(state: PublicationState) -> ColumnElement[bool]:
    """Whether a publication has a holder that is in a state; looked up for each that has one."""
    its_holder = publications.alias()
    found = select(its_holder.c.id).where(
        its_holder.c.id == publications.c.part_of, its_holder.c.state == state.value
    )
    # The state of parts lets both databases go through them in the order of an index.
    is_part = and_(
        publications.c.state == PublicationState.SKIPPED.value, publications.c.part_of.is_not(None)
    )
    return and_(is_part, found.correlate_except(its_holder).exists())


async def kinds_in(
    transaction: Transaction, states: Sequence[PublicationState]
) -> list[ColumnElement[bool]]:
    """The conditions of which one holds for a publication in these states, for `newest_of`."""
    return [
        kind for state in states for kind in (alone_in(state), await _parts(transaction, state))
    ]


def explained_in(states: Sequence[PublicationState]) -> list[ColumnElement[bool]]:
    """The same for those with a reason, in any state without `states`; parts have none."""
    reason = publications.c.reason.is_not(None)
    return [
        and_(publications.c.state == state.value, reason) for state in states or PublicationState
    ]


def newest_of(chosen: Select[Any], kinds: Sequence[ColumnElement[bool]], limit: int) -> Select[Any]:
    """The first `limit` rows of `chosen` of these kinds, the newest publications first.

    `chosen` begins with `publications.c.id`. Each kind has a query of its own, which an index
    answers in order: for all at once, a database would sort all that are of these kinds.
    """
    newest = chosen.order_by(publications.c.id.desc()).limit(limit)
    each = union_all(*(select(newest.where(kind).subquery()) for kind in kinds)).subquery()
    return select(each).order_by(each.c.id.desc()).limit(limit)


async def _parts(transaction: Transaction, state: PublicationState) -> ColumnElement[bool]:
    """`part_in` for a list: it begins with the holders where they are few."""
    return part_of_any_in(state) if await are_few(transaction, state) else part_in(state)


async def are_few(transaction: Transaction, state: PublicationState) -> bool:
    """Whether so few publications without a holder are in a state that all can be looked at."""
    some = select(publications.c.id).where(alone_in(state)).limit(FEW + 1).subquery()
    return (await transaction.scalar(select(func.count()).select_from(some)) or 0) <= FEW


@cache
def part_of_any_in(state: PublicationState) -> ColumnElement[bool]:
    """The same as `part_in`, for a state that few publications are in: it begins with these."""
    holders = publications.alias()
    in_state = select(holders.c.id).where(
        holders.c.state == state.value, holders.c.part_of.is_(None)
    )
    return publications.c.part_of.in_(in_state)


@cache
def selected() -> Select[Any]:
    """A query for publications, whose rows `publication_of` reads.

    Kept, because to build it takes longer than to execute it for one publication.
    """
    came_with_its_gist = and_(
        publications.c.backfill == 0,
        publications.c.revision == 1,
        gist_files.c.found_at == gists.c.found_at,
    )
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
            case((came_with_its_gist, gists.c.created_at)).label("appeared_at"),
            type_coerce(_files_of_activity(), FilesOfActivity).label("sent_with"),
        )
        .select_from(publications)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .join(users, users.c.key == publications.c.user_key)
        .outerjoin(holder, holder.c.id == publications.c.part_of)
        .where(tracked)
    )


def _files_of_activity() -> ColumnElement[str]:
    """The holder of a part, or the parts of a holder, as `FilesOfActivity` reads them."""
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
