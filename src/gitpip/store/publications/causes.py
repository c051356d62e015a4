"""Causes: publications grouped by the reason of their state, so that one cause is one line."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from gitpip.model import PublicationId, PublicationState
from gitpip.store.column_types import Flag
from gitpip.store.database import Transaction
from gitpip.store.publications.approvals import HELD_FOR_CREDENTIALS
from gitpip.store.publications.publication_rows import explained_in, newest_of
from gitpip.store.publications.selection import PublicationFilter, cause, cause_key
from gitpip.store.rows import reader
from gitpip.store.schema import publications
from gitpip.store.visibility import of_removed

WHAT_TO_DO = {
    PublicationState.FAILED: "Fix the problem, then retry or skip them.",
    PublicationState.HELD: "Review them, then approve or skip them.",
    PublicationState.PENDING: "They are sent when they are due. To send them now, retry them.",
    PublicationState.SENDING: "gitpip waits for Pipedrive's answer.",
    PublicationState.UNCERTAIN: "gitpip checks whether they arrived.",
    PublicationState.SKIPPED: "To send them after all, retry them.",
    PublicationState.WITHDRAWN: "They were undone. To send one again, retry it.",
    PublicationState.PUBLISHED: (
        "They are in Pipedrive, but their notes are out of date. Run gitpip notes retry."
    ),
}
MOST_GROUPED = 10_000
"""The most publications that are grouped while a page waits, those that were found last."""
MAX_CAUSES = 100
"""The most causes that are shown, those of most publications first."""


@dataclass(frozen=True)
class Cause:
    """The publications in one state for one reason. Times are UTC."""

    key: str
    """The value that stands for the reason in a filter."""
    state: PublicationState
    example: str
    """The reason of one of them."""
    publications: int
    users: int
    first_at: datetime
    """The time when the first of them came into the state, or is due if it waits."""
    last_at: datetime
    """The time when the last of them came into the state, or is due if it waits."""
    newest: PublicationId
    """The publication that was found last."""
    for_credentials: bool
    """Whether they are held for credentials, so that each one needs its own decision."""

    @property
    def what_to_do(self) -> str:
        """The advice for this cause, in one sentence."""
        if self.for_credentials:
            return "Approve or skip each file on its own page."
        return WHAT_TO_DO[self.state]


_cause_of = reader(Cause)


async def of(
    transaction: Transaction, wanted: PublicationFilter, *, newest: int | None = None
) -> tuple[Cause, ...]:
    """Return the causes of what a filter finds, those of most publications first.

    With `newest`, only that many publications with a reason are considered, the last found ones.
    """
    if newest is None:
        return await where(transaction, wanted.condition)
    rest = select(publications.c.id).where(replace(wanted, states=()).condition)
    ids = newest_of(rest, explained_in(wanted.states), newest).subquery()
    return await where(transaction, publications.c.id.in_(select(ids.c.id)))


async def needing_attention(transaction: Transaction) -> tuple[Cause, ...]:
    """Return the causes of failed publications, and of those held because of credentials.

    Everything else that is held is decided by user: see `held`.
    """
    failed = publications.c.state == PublicationState.FAILED.value
    wanted = and_(or_(failed, HELD_FOR_CREDENTIALS), ~of_removed(publications.c.user_key))
    return await where(transaction, wanted)


async def where(transaction: Transaction, wanted: ColumnElement[bool]) -> tuple[Cause, ...]:
    """Return the causes of publications under a condition, those of most publications first."""
    due = publications.c.due_at
    number = func.count()
    grouped = (
        select(
            cause_key.label("key"),
            publications.c.state,
            func.max(publications.c.reason).label("example"),
            number.label("publications"),
            func.count(publications.c.user_key.distinct()).label("users"),
            func.min(due, type_=due.type).label("first_at"),
            func.max(due, type_=due.type).label("last_at"),
            func.max(publications.c.id).label("newest"),
            func.max(case((HELD_FOR_CREDENTIALS, 1), else_=0), type_=Flag).label("for_credentials"),
        )
        .where(wanted, publications.c.reason.is_not(None))
        .group_by(cause, publications.c.state)
        .order_by(number.desc(), cause)
        .limit(MAX_CAUSES)
    )
    return tuple(map(_cause_of, await transaction.execute(grouped)))
