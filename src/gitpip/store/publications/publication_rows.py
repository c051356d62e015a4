"""Publications as they are read: the query, and what a row of it means."""

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
)

from gitpip.model import Publication, PublicationState
from gitpip.store.column_types import FilesOfActivity
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, gists, publications, revisions, users
from gitpip.store.schema_publishing import OF_HOLDER, holder, shown
from gitpip.store.visibility import tracked

DESCRIPTION = 200
"""How many characters of a gist's description are read with a publication."""

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


def alone_in(state: PublicationState) -> ColumnElement[bool]:
    """Whether a publication without a holder is in a state."""
    return and_(publications.c.state == state.value, publications.c.part_of.is_(None))


def part_in(state: PublicationState) -> ColumnElement[bool]:
    """Whether a publication has a holder that is in a state."""
    others = publications.alias()
    parts = (
        select(others.c.id)
        .join(holder, holder.c.id == others.c.part_of)
        .where(others.c.part_of.is_not(None), holder.c.state == state.value)
    )
    return publications.c.id.in_(parts)


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
