"""Publications as they are read: the query, and what a row of it means."""

from typing import Any

from sqlalchemy import Select, and_, case, select

from gitpip.model import Publication
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, gists, publications, users
from gitpip.store.visibility import tracked

publication_of = reader(Publication)
"""The publication in a row of `selected`."""


def selected() -> Select[Any]:
    """A query for publications, whose rows `publication_of` reads."""
    came_with_its_gist = and_(
        publications.c.backfill == 0,
        publications.c.revision == 1,
        gist_files.c.found_at == gists.c.found_at,
    )
    return (
        select(
            publications,
            users.c.login,
            users.c.publishing_mode,
            users.c.state.label("user_state"),
            gist_files.c.gist_id,
            gist_files.c.filename,
            case((came_with_its_gist, gists.c.created_at)).label("appeared_at"),
        )
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(tracked)
    )
