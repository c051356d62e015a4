"""The number of waiting files that may not be sent: in a dry run, and of paused users."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select

from gitpip.model import PublicationState, UserState
from gitpip.modes import PublishingMode
from gitpip.store.database import Transaction
from gitpip.store.publications.permission import in_dry_run
from gitpip.store.schema import publications, users
from gitpip.store.visibility import tracked


@dataclass(frozen=True)
class KeptBack:
    """The number of waiting files that may not be sent, and of users in a dry run."""

    in_dry_run: int
    of_paused: int
    """Of paused users, unless they are in a dry run."""
    dry_users: int
    """The number of tracked users whose own mode is dry-run."""


def is_kept_back(overall: PublishingMode) -> ColumnElement[bool]:
    """Return the condition on a publication that waits to be sent and may not be."""
    kept_back = or_(users.c.state == UserState.PAUSED.value, in_dry_run(overall))
    of_user = select(users.c.key).where(users.c.key == publications.c.user_key, tracked, kept_back)
    # Checked row by row: usually fewer publications wait than there are users.
    return and_(
        publications.c.state == PublicationState.PENDING.value,
        of_user.correlate(publications).exists(),
    )


async def counts(transaction: Transaction, overall: PublishingMode) -> KeptBack:
    """Return how many files may not be sent now."""
    dry_users = await transaction.scalar(
        select(func.count()).where(tracked, users.c.publishing_mode == PublishingMode.DRY_RUN.value)
    )
    dry = in_dry_run(overall)
    number = select(func.count()).select_from(
        publications.join(users, users.c.key == publications.c.user_key)
    )
    pending = publications.c.state == PublicationState.PENDING.value
    waiting = await transaction.scalar(number.where(pending, tracked, dry))
    paused = users.c.state == UserState.PAUSED.value
    others = await transaction.scalar(number.where(pending, tracked, paused, ~dry))
    return KeptBack(waiting or 0, others or 0, dry_users or 0)
