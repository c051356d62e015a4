"""Duplicates: activities in Pipedrive with the marker of another one.

A person copied the activity, or another installation published the same file. gitpip deletes
neither.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select, update

from gitpip.model import ActivityId, DealId
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, publications, users
from gitpip.store.schema_accounts import markers
from gitpip.store.visibility import of_removed, tracked


@dataclass(frozen=True)
class Duplicate:
    """An activity with the marker of a publication that has another one."""

    activity_id: ActivityId
    marker: str
    deal_id: DealId | None
    published_as: ActivityId | None
    """The activity that the publication has; None if there is no publication."""
    login: str | None
    filename: str | None
    seen_at: datetime
    acknowledged_at: datetime | None
    """The time when a person acknowledged it."""


_duplicate = reader(Duplicate)


async def listed(
    transaction: Transaction,
    account_key: int,
    limit: int,
    *,
    after: int = 0,
    acknowledged: bool = True,
) -> tuple[Duplicate, ...]:
    """Return activities whose marker another one has, too; the oldest first, `after` an id.

    Those of removed users are left out, and without `acknowledged` those that a person has
    acknowledged.
    """
    unknown = [] if acknowledged else [markers.c.acknowledged_at.is_(None)]
    rows = await transaction.execute(
        select(
            markers,
            publications.c.activity_id.label("published_as"),
            users.c.login,
            gist_files.c.filename,
        )
        .outerjoin(publications, publications.c.marker == markers.c.marker)
        .outerjoin(users, users.c.key == publications.c.user_key)
        .outerjoin(gist_files, gist_files.c.key == publications.c.file_key)
        .where(
            markers.c.account_key == account_key,
            markers.c.duplicate == 1,
            markers.c.activity_id > after,
            tracked,
            *unknown,
        )
        .order_by(markers.c.activity_id)
        .limit(limit)
    )
    return tuple(map(_duplicate, rows))


async def settle(
    transaction: Transaction,
    account_key: int,
    some: Sequence[Duplicate],
    present: Collection[ActivityId],
) -> None:
    """Forget duplicates whose activity, or whose publication's other activity, no longer exists.

    `present` are those activities, of both kinds, that Pipedrive still has. If an account was
    reset, ids start again: an activity that a publication has by now is not given to another one.
    """
    if not await accounts.lock_ledger_of(transaction, account_key):
        return
    for one in some:
        original_gone = one.published_as is not None and one.published_as not in present
        is_the_original = one.activity_id == one.published_as
        if one.activity_id in present and not original_gone and not is_the_original:
            continue
        await transaction.execute(
            delete(markers).where(
                markers.c.account_key == account_key, markers.c.activity_id == one.activity_id
            )
        )
        is_anothers = exists().where(publications.c.activity_id == one.activity_id)
        if (
            one.activity_id in present
            and not is_the_original
            and not await transaction.scalar(select(is_anothers))
        ):
            await transaction.execute(
                update(publications)
                .where(
                    publications.c.marker == one.marker,
                    publications.c.activity_id == one.published_as,
                )
                .values(activity_id=one.activity_id, deal_id=one.deal_id)
            )


async def acknowledge(transaction: Transaction, account_key: int, now: datetime) -> int:
    """Record that a person acknowledges all present duplicates; return their number.

    Call `ledger.lock` first.
    """
    hidden = select(publications.c.id).where(
        publications.c.marker == markers.c.marker, of_removed(publications.c.user_key)
    )
    result = await transaction.execute(
        update(markers)
        .where(
            markers.c.account_key == account_key,
            markers.c.duplicate == 1,
            markers.c.acknowledged_at.is_(None),
            ~hidden.exists(),
        )
        .values(acknowledged_at=now)
    )
    return result.rowcount
