"""Publications as they are read: the query, and what a row of it means."""

from typing import Any

from sqlalchemy import Row, Select, and_, select

from gitpip.model import (
    ActivityId,
    DealId,
    FileKey,
    GistId,
    Publication,
    PublicationId,
    PublicationState,
    UserKey,
)
from gitpip.store.schema import gist_files, gists, publications, users
from gitpip.store.visibility import tracked


def selected() -> Select[Any]:
    """A query for publications, whose rows `publication_of` reads."""
    return (
        select(
            publications,
            users.c.login,
            gist_files.c.gist_id,
            gist_files.c.filename,
            gists.c.created_at,
            and_(
                publications.c.backfill == 0,
                publications.c.revision == 1,
                gist_files.c.found_at == gists.c.found_at,
            ).label("came_with_its_gist"),
        )
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(tracked)
    )


def publication_of(row: Row[Any]) -> Publication:
    """The publication in a row of `selected`."""
    return Publication(
        id=PublicationId(row.id),
        file_key=FileKey(row.file_key),
        revision=row.revision,
        user_key=UserKey(row.user_key),
        login=row.login,
        gist_id=GistId(row.gist_id),
        filename=row.filename,
        marker=row.marker,
        state=PublicationState(row.state),
        due_at=row.due_at,
        attempts=row.attempts,
        looks=row.looks,
        token=row.token,
        lease_until=row.lease_until,
        sent_at=row.sent_at,
        deal_id=None if row.deal_id is None else DealId(row.deal_id),
        activity_id=None if row.activity_id is None else ActivityId(row.activity_id),
        reason=row.reason,
        published_at=row.published_at,
        appeared_at=row.created_at if row.came_with_its_gist else None,
        in_flight_until=row.in_flight_until,
        sent_after=row.sent_after,
        looked_at=row.looked_at,
        refusals=row.refusals,
    )
