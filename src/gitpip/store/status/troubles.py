"""The troubles that the rows show: the count, the beginning and an example of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    Table,
    and_,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union,
)

from gitpip.model import FailureKind, PublicationState, UserState
from gitpip.modes import PublishingMode
from gitpip.store.database import Transaction
from gitpip.store.publications.deal_drifts import IS_WAITING
from gitpip.store.publications.publications import WAITING
from gitpip.store.schema import (
    active,
    activity_lost,
    checks,
    deals,
    gist_files,
    not_compared,
    note_failed,
    publications,
    retried,
    troubled,
    unsettled,
    users,
    watched,
)
from gitpip.store.schema_accounts import accounts, is_bound
from gitpip.store.schema_publishing import amendments, deal_doubles, doubles
from gitpip.store.schema_targets import deal_drifts, targets
from gitpip.store.status.kept_back import is_kept_back
from gitpip.store.visibility import of_removed, tracked

FAILED = PublicationState.FAILED.value
PENDING = PublicationState.PENDING.value
UNCERTAIN_STATE = PublicationState.UNCERTAIN.value
OVERDUE_AFTER_FAILURES = 3
"""The failed attempts after which a note is overdue, as a publication is: see `schema.retried`."""


filename = (
    select(gist_files.c.filename)
    .where(gist_files.c.key == publications.c.file_key)
    .scalar_subquery()
)


without_target = ~exists().where(targets.c.user_key == deals.c.user_key)
"""The condition that a user has no target, and so needs a deal."""


@dataclass(frozen=True)
class Trouble:
    """The number of rows with the same kind of trouble. Times are UTC."""

    count: int
    since: datetime | None = None
    """The earliest time in the rows."""
    example: str | None = None
    """A login, or a file's name."""
    reason: str | None = None
    """The reason for the example's trouble."""
    next_try: datetime | None = None
    """The time of the next attempt, if that is asked for."""
    unreachable: bool = False
    """Whether GitHub cannot be reached, for at least one of the rows."""


NO_TROUBLE = Trouble(0)


async def _trouble(
    transaction: Transaction,
    rows: FromClause,
    wanted: Sequence[ColumnElement[bool]],
    *,
    since: ColumnElement[Any],
    example: ColumnElement[Any],
    reason: ColumnElement[Any] | None = None,
) -> Trouble:
    """Return the trouble of the rows; `example` may be a scalar subquery, read for one row."""
    counted = await transaction.execute(
        select(func.count(), func.min(since, type_=since.type)).select_from(rows).where(*wanted)
    )
    count, earliest = counted.one()
    if not count:
        return NO_TROUBLE
    shown = await transaction.execute(
        select(example.label("example"), (null() if reason is None else reason).label("reason"))
        .select_from(rows)
        .where(*wanted)
        .order_by(since)
        .limit(1)
    )
    row = shown.one()
    return Trouble(count, earliest, row.example, row.reason)


async def users_unavailable(transaction: Transaction) -> Trouble:
    """Return the users GitHub does not show; `since` is the time up to which the first is known."""
    return await _troubled_users(transaction, users.c.state == UserState.UNAVAILABLE.value)


async def users_failing(transaction: Transaction) -> Trouble:
    """Return other users whose last check failed; `since` is as in `users_unavailable`."""
    is_active = users.c.state == UserState.ACTIVE.value
    trouble = await _troubled_users(transaction, is_active)
    if not trouble.count:
        return trouble
    unreachable = users.c.failure_kind == FailureKind.UNREACHABLE
    found = await transaction.scalar(select(exists().where(troubled, is_active, unreachable)))
    return replace(trouble, unreachable=bool(found))


async def _troubled_users(transaction: Transaction, state: ColumnElement[bool]) -> Trouble:
    return await _trouble(
        transaction,
        users,
        [troubled, state],
        since=users.c.complete_until,
        example=users.c.login,
        reason=users.c.failure,
    )


async def users_unread(transaction: Transaction) -> Trouble:
    """Return the active users never checked completely; `since` is when the first was added."""
    return await _trouble(
        transaction,
        users,
        [active, users.c.complete_until.is_(None)],
        since=users.c.created_at,
        example=users.c.login,
    )


async def users_not_compared(transaction: Transaction) -> Trouble:
    """Return active users with gists whose list was not read since an upgrade from before 0025."""
    return await _trouble(
        transaction,
        users,
        [not_compared],
        since=users.c.created_at,
        example=users.c.login,
    )


async def users_late(
    transaction: Transaction,
    *,
    due_before: datetime,
    complete_before: datetime,
    interval: timedelta,
) -> Trouble:
    """Return the overdue users among those checked before; `since` is up to when they are known.

    A user is overdue who was due before `due_before`, or who is known only up to a time before
    `complete_before` and has no own interval longer than `interval`. Users whose last check failed
    are left out.
    """
    usual = or_(
        users.c.check_interval.is_(None),
        users.c.check_interval <= max(interval, timedelta(seconds=1)),
    )
    # Each condition has an index, which shows that there are few.
    overdue = union(
        select(users.c.key).where(watched, users.c.next_check_at < due_before),
        select(users.c.key).where(active, users.c.complete_until < complete_before, usual),
    )
    known = [active, users.c.complete_until.is_not(None), users.c.failure.is_(None)]
    return await _trouble(
        transaction,
        users,
        [*known, users.c.key.in_(overdue)],
        since=users.c.complete_until,
        example=users.c.login,
    )


async def publications_failed(transaction: Transaction) -> Trouble:
    """Return the publications that Pipedrive refused."""
    return await _publications(transaction, publications.c.state == FAILED)


async def publications_uncertain(transaction: Transaction, sent_before: datetime) -> Trouble:
    """Return the publications sent before a time that are still uncertain."""
    return await _publications(
        transaction, publications.c.state == UNCERTAIN_STATE, publications.c.sent_at < sent_before
    )


async def publications_retried(transaction: Transaction) -> Trouble:
    """Return the publications that wait although they were sent three times or more."""
    return await _publications(transaction, retried)


async def publications_not_looked_for(transaction: Transaction, now: datetime) -> Trouble:
    """Return the publications that wait because a search did not show whether they had arrived."""
    return await _publications(
        transaction,
        publications.c.state == PENDING,
        publications.c.looked_at.is_not(None),
        publications.c.due_at > now,
        publications.c.not_looked_for == 1,
    )


async def activities_lost(transaction: Transaction) -> Trouble:
    """Return the published files whose activity is lost: its id is that of another file's."""
    return await _publications(transaction, activity_lost, since=publications.c.activity_lost_at)


async def doubles_left(transaction: Transaction, since: datetime) -> Trouble:
    """Return the files found in Pipedrive twice since then, if gitpip deleted neither activity."""
    return await _doubles(transaction, doubles.c.reason.is_not(None), doubles.c.found_at > since)


async def doubles_deleted(transaction: Transaction, since: datetime) -> Trouble:
    """Return the files found in Pipedrive twice since then, if gitpip deleted one activity."""
    return await _doubles(transaction, doubles.c.reason.is_(None), doubles.c.found_at > since)


async def _doubles(transaction: Transaction, *wanted: ColumnElement[bool]) -> Trouble:
    return await _trouble(
        transaction,
        doubles.join(publications, publications.c.id == doubles.c.publication_id),
        [~of_removed(publications.c.user_key), *wanted],
        since=doubles.c.found_at,
        example=filename,
        reason=doubles.c.reason,
    )


async def publications_overdue(
    transaction: Transaction, due_before: datetime, overall: PublishingMode, *, backfill: bool
) -> Trouble:
    """Return the publications due before a time; `backfill` also counts those of existing gists.

    Those that may not be sent, under the general mode `overall`, are left out.

    `since` is when the first of them was due.
    """
    wanted = [
        publications.c.state == PENDING,
        publications.c.due_at < due_before,
        ~is_kept_back(overall),
    ]
    if not backfill:
        wanted.append(publications.c.backfill == 0)
    return await _publications(transaction, *wanted, since=publications.c.due_at)


async def publications_waiting(transaction: Transaction, overall: PublishingMode) -> int:
    """Return how many publications are still to be sent or confirmed, and may be."""
    waiting = select(func.count()).where(publications.c.state.in_(WAITING))
    # An index alone counts all of them; the few of removed users are subtracted.
    all_of_them = await transaction.scalar(waiting) or 0
    if not all_of_them:
        return 0
    for others in (of_removed(publications.c.user_key), is_kept_back(overall)):
        all_of_them -= await transaction.scalar(waiting.where(others)) or 0
    return all_of_them


async def publications_put_off(transaction: Transaction, overall: PublishingMode) -> Trouble:
    """Return the publications that wait for a reason: an attempt failed, or could not be made."""
    return await _publications(
        transaction,
        publications.c.state.in_(WAITING),
        publications.c.reason.is_not(None),
        ~is_kept_back(overall),
    )


async def last_published(transaction: Transaction) -> datetime | None:
    """Return when a publication last arrived."""
    latest: datetime | None = await transaction.scalar(
        select(func.max(publications.c.published_at, type_=publications.c.published_at.type))
    )
    return latest


async def _publications(
    transaction: Transaction,
    *wanted: ColumnElement[bool],
    since: ColumnElement[Any] = publications.c.sent_at,
) -> Trouble:
    return await _trouble(
        transaction,
        publications,
        [~of_removed(publications.c.user_key), *wanted],
        since=since,
        example=filename,
        reason=publications.c.reason,
    )


async def deals_failed(transaction: Transaction) -> Trouble:
    """Return the deals that Pipedrive refused."""
    return await _deals(transaction, deals.c.state == FAILED)


async def targets_unusable(transaction: Transaction) -> Trouble:
    """Return the users whose target cannot be used, so that their files wait."""
    other = ~exists().where(accounts.c.key == targets.c.account_key, is_bound)
    is_other = and_(targets.c.account_key.is_not(None), other)
    return await _trouble(
        transaction,
        _beside_users(targets),
        [tracked, or_(targets.c.problem.is_not(None), is_other)],
        since=targets.c.problem_since,
        example=users.c.login,
        reason=func.coalesce(targets.c.problem, "it was set for another Pipedrive account"),
    )


async def deals_gone(transaction: Transaction) -> Trouble:
    """Return the users whose files wait because their deal was closed or removed."""
    return await _drifts(transaction, IS_WAITING)


async def deals_drifted(transaction: Transaction, since: datetime) -> Trouble:
    """Return the users whose deal was closed or removed since then, and whose files do not wait."""
    return await _drifts(transaction, ~IS_WAITING, deal_drifts.c.drifted_at >= since)


async def _drifts(transaction: Transaction, *wanted: ColumnElement[bool]) -> Trouble:
    drift = deal_drifts
    number = cast(drift.c.drifted_deal_id, String)
    without = ~exists().where(targets.c.user_key == drift.c.user_key)
    return await _trouble(
        transaction,
        _beside_users(drift),
        [tracked, without, *wanted],
        since=drift.c.drifted_at,
        example=users.c.login,
        reason=literal("deal ") + number + literal(" was ") + cast(drift.c.drift, String),
    )


async def deals_delayed(
    transaction: Transaction, now: datetime, overall: PublishingMode
) -> Trouble:
    """Return the refused deals that are tried again and that a publication waits for.

    `overall` is the general mode: nothing is tried for what a mode or a pause keeps from being
    sent. `since` is when the first of them was last sent, `next_try` when one of them is tried
    next.
    """
    awaited = exists().where(
        publications.c.user_key == deals.c.user_key,
        publications.c.state == PENDING,
        ~is_kept_back(overall),
    )
    # A due deal without an attempt that counts was only delayed by a pause.
    refused = or_(deals.c.attempts > 0, deals.c.due_at > now)
    wanted = [deals.c.state == PENDING, deals.c.reason.is_not(None), refused, awaited]
    trouble = await _deals(transaction, *wanted)
    if not trouble.count:
        return trouble
    next_try = await transaction.scalar(
        select(func.min(deals.c.due_at, type_=deals.c.due_at.type))
        .select_from(deals.join(users, users.c.key == deals.c.user_key))
        .where(unsettled, tracked, without_target, *wanted)
    )
    return replace(trouble, next_try=next_try)


async def deals_uncertain(transaction: Transaction, sent_before: datetime) -> Trouble:
    """Return the deals sent before a time that are still uncertain."""
    return await _deals(
        transaction, deals.c.state == UNCERTAIN_STATE, deals.c.sent_at < sent_before
    )


async def _deals(transaction: Transaction, *wanted: ColumnElement[bool]) -> Trouble:
    return await _trouble(
        transaction,
        deals.join(users, users.c.key == deals.c.user_key),
        [unsettled, tracked, without_target, *wanted],
        since=deals.c.sent_at,
        example=users.c.login,
        reason=deals.c.reason,
    )


def _beside_users(few: Table) -> FromClause:
    """Return the rows of few users, joined with the users.

    An expression lets SQLite begin with the few, not with all users.
    """
    return few.join(users, users.c.key == func.coalesce(few.c.user_key, few.c.user_key))


async def deals_doubled(transaction: Transaction, since: datetime) -> Trouble:
    """Return the users with a second deal, found since then, besides the one in use."""
    return await _trouble(
        transaction,
        _beside_users(deal_doubles).join(deals, deals.c.user_key == users.c.key),
        [
            tracked,
            deal_doubles.c.found_at > since,
            # The deal in use may have been deleted meanwhile, and the other one be used instead.
            deals.c.deal_id != deal_doubles.c.deal_id,
        ],
        since=deal_doubles.c.found_at,
        example=users.c.login,
        reason=literal("gitpip uses deal ")
        + cast(deals.c.deal_id, String)
        + literal(" and leaves deal ")
        + cast(deal_doubles.c.deal_id, String)
        + literal(" as it is"),
    )


async def notes_failed(transaction: Transaction) -> Trouble:
    """Return the published files whose note Pipedrive did not let gitpip update."""
    return await _publications(transaction, note_failed, since=publications.c.published_at)


async def notes_waiting(transaction: Transaction) -> Trouble:
    """Return the notes in Pipedrive that differ from their files and will be updated."""
    return await _notes(transaction)


async def notes_overdue(transaction: Transaction, asked_before: datetime) -> Trouble:
    """Return the notes that have waited since before a time, or were tried three times.

    The time of the next attempt does not show that: each failure puts it off.
    """
    waits_long = and_(
        amendments.c.asked_at < asked_before, publications.c.published_at < asked_before
    )
    return await _notes(
        transaction, or_(waits_long, amendments.c.attempts >= OVERDUE_AFTER_FAILURES)
    )


async def _notes(transaction: Transaction, *wanted: ColumnElement[bool]) -> Trouble:
    # An expression lets SQLite begin with the notes, which are few, not with all published files.
    of_note = func.coalesce(amendments.c.publication_id, amendments.c.publication_id)
    return await _trouble(
        transaction,
        amendments.join(publications, publications.c.id == of_note),
        [
            ~of_removed(publications.c.user_key),
            publications.c.state == PublicationState.PUBLISHED.value,
            *wanted,
        ],
        since=amendments.c.asked_at,
        example=filename,
        reason=amendments.c.reason,
    )


async def checks_abandoned(
    transaction: Transaction, *, now: datetime, requested_before: datetime
) -> Trouble:
    """Return checks requested before a time that are not over, while no user is being checked."""
    claimed = exists().where(users.c.claimed_by.is_not(None), users.c.claimed_until > now)
    return await _trouble(
        transaction,
        checks,
        [checks.c.ended_at.is_(None), checks.c.requested_at < requested_before, ~claimed],
        since=checks.c.requested_at,
        example=checks.c.id,
    )


async def any_checkable(transaction: Transaction) -> bool:
    """Return whether any tracked user is not paused."""
    return bool(await transaction.scalar(select(exists().where(watched))))
