"""The publications that wait to be sent, in the order of sending, as if no mode held any."""

from dataclasses import dataclass

from sqlalchemy import and_, func, select

from gitpip.model import Publication, PublicationState, UserState
from gitpip.store.database import Transaction
from gitpip.store.publications.parts import MAX_FILES, NEVER_BEGUN
from gitpip.store.publications.publication_rows import publication_of, selected
from gitpip.store.schema import deals, gist_files, publications, users
from gitpip.store.schema_targets import targets
from gitpip.store.visibility import tracked

IS_PLANNED = and_(
    publications.c.state == PublicationState.PENDING.value,
    users.c.state != UserState.PAUSED.value,
)


@dataclass(frozen=True)
class Totals:
    """The number of waiting activities and deals."""

    activities: int
    deals: int
    """The number of their users who have no deal yet, and no target."""


async def first(transaction: Transaction, limit: int) -> tuple[Publication, ...]:
    """Return the first `limit` publications that are sent next."""
    rows = await transaction.execute(
        selected()
        .where(IS_PLANNED)
        .order_by(publications.c.backfill, publications.c.due_at, publications.c.id)
        .limit(limit)
    )
    return tuple(publication_of(row) for row in rows)


async def totals(transaction: Transaction, *, per_gist: bool = False) -> Totals:
    """Return how much waits in all; with `per_gist`, unsent files of a gist count as one."""
    waiting = publications.join(users, users.c.key == publications.c.user_key)
    activities = await transaction.scalar(
        select(func.count()).select_from(waiting).where(tracked, IS_PLANNED)
    )
    if per_gist:
        sizes = (
            select(func.count().label("files"))
            .select_from(waiting.join(gist_files, gist_files.c.key == publications.c.file_key))
            .where(tracked, IS_PLANNED, NEVER_BEGUN)
            .group_by(gist_files.c.gist_id)
            .subquery()
        )
        # Each activity but the first of its gist holds MAX_FILES files, so this many are saved.
        saved = sizes.c.files - 1 - (sizes.c.files - 1) // MAX_FILES
        activities = (activities or 0) - (await transaction.scalar(select(func.sum(saved))) or 0)
    made = select(deals.c.user_key).where(deals.c.state == PublicationState.PUBLISHED.value)
    without_deal = await transaction.scalar(
        select(func.count(publications.c.user_key.distinct()))
        .select_from(waiting)
        .where(
            tracked,
            IS_PLANNED,
            publications.c.user_key.not_in(made),
            publications.c.user_key.not_in(select(targets.c.user_key)),
        )
    )
    return Totals(int(activities or 0), without_deal or 0)
