"""The outbox: claiming publications, and recording what happened when they were sent.

`delivered` holds the steps that deals share. `now` is the time by our own clock.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, func, or_, select, update

from gitpip.model import Change, DealId, Publication, PublicationId, PublicationState, UserKey
from gitpip.modes import PublishingMode
from gitpip.store import commit_order, events, lease, ledger
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.locking import in_order
from gitpip.store.publications import parts, second_sends
from gitpip.store.publications.being_undone import being_undone
from gitpip.store.publications.delivered import PUBLICATIONS, Start, values_of
from gitpip.store.publications.permission import Present, may_be_sent_to
from gitpip.store.publications.publication_rows import publication_of, selected
from gitpip.store.schema import publications, users
from gitpip.store.schema_events import EventKind
from gitpip.store.visibility import of_tracked, tracked
from gitpip.targets import Target

MAX_SEARCHED_AT_ONCE = 500
"""The most uncertain publications that one search covers."""
EVENTS = {
    PublicationState.PUBLISHED: EventKind.PUBLICATION_PUBLISHED,
    PublicationState.FAILED: EventKind.PUBLICATION_FAILED,
}
"""The event that is recorded when a publication comes into a state."""


async def any_due(transaction: Transaction, present: Present, *, sends: bool = True) -> bool:
    """Return whether a publication is due to be sent or searched for, or its sender may have died.

    Without `sends`, only searches count.
    """
    found = await transaction.scalar(_due(present.mode, sends=sends), {"now": present.now})
    return found is not None


@cache
def _due(mode: PublishingMode, *, sends: bool) -> Select[Any]:
    sending = publications.c.state == PublicationState.SENDING.value
    waits: ColumnElement[bool] = publications.c.state == PublicationState.UNCERTAIN.value
    if sends:
        to_send = and_(
            publications.c.state == PublicationState.PENDING.value,
            may_be_sent_to(users, mode),
            ~being_undone(),
        )
        waits = or_(waits, to_send)
    return (
        select(publications.c.id)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            tracked,
            or_(
                and_(
                    waits,
                    publications.c.due_at <= lease.NOW,
                    lease.is_free(publications.c.lease_until, lease.NOW),
                ),
                and_(sending, lease.is_over(publications.c.lease_until, lease.NOW)),
            ),
        )
        .limit(1)
    )


async def claim_sends(
    transaction: Transaction,
    *,
    token: str,
    present: Present,
    claim: timedelta,
    limit: int,
    without: Collection[UserKey] = (),
) -> tuple[Publication, ...]:
    """Claim up to `limit` due publications to send, for the time of a `claim`.

    Fresh ones come before those from before their user was tracked. Users in `without`, and users
    with no file that may be sent, are left out. If gists are claimed together, the other sendable
    files of the same gists are claimed, too.
    """
    now = present.now
    if present.per_gist:
        # Otherwise two claims at once, each passing over the other's rows, split a gist.
        await commit_order.one_at_a_time(transaction, "claims of gists")
    due = _to_be_sent(present.mode)
    if without:
        due = due.where(publications.c.user_key.not_in(without))
    ids = (await transaction.execute(due, {"now": now, "most": limit})).scalars().all()
    if present.per_gist and ids:
        ids = (*ids, *await parts.siblings(transaction, ids, present))
    return await _claim(transaction, ids, token=token, until=lease.until(now, claim))


@cache
def _to_be_sent(mode: PublishingMode) -> Select[Any]:
    return (
        select(publications.c.id)
        .join(users, users.c.key == publications.c.user_key)
        .where(
            may_be_sent_to(users, mode),
            publications.c.state == PublicationState.PENDING.value,
            publications.c.due_at <= lease.NOW,
            lease.is_free(publications.c.lease_until, lease.NOW),
            ~being_undone(),
        )
        .order_by(publications.c.backfill, publications.c.due_at, publications.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True, of=publications)
    )


async def claim_looks(
    transaction: Transaction,
    *,
    token: str,
    now: datetime,
    claim: timedelta,
    deals: int,
    under_way: Collection[str],
) -> dict[DealId | None, tuple[Publication, ...]]:
    """Claim uncertain publications of up to `deals` deals, if a search is due in one of them.

    Those without a deal form one group, under None. Those that are not due yet are claimed, too, at
    most `MAX_SEARCHED_AT_ONCE` in all, since one list answers for all of them. Rows claimed with
    one of the tokens `under_way` are left to those searches, even if their lease is over.
    """
    if not await transaction.scalar(_to_be_looked_for(), {"now": now}):
        return {}
    is_uncertain = [
        publications.c.state == PublicationState.UNCERTAIN.value,
        of_tracked(publications.c.user_key),
        lease.is_free(publications.c.lease_until, now),
    ]
    if under_way:
        is_uncertain.append(
            or_(publications.c.token.is_(None), publications.c.token.not_in(under_way))
        )
    first = (
        select(publications.c.deal_id)
        .where(*is_uncertain)
        .group_by(publications.c.deal_id)
        .order_by(func.min(publications.c.due_at), publications.c.deal_id)
        .limit(deals)
    )
    due = select(publications.c.id).where(*is_uncertain, publications.c.due_at <= now).limit(1)
    if under_way and not await transaction.scalar(due):
        return {}
    chosen = [deal_id for (deal_id,) in await transaction.execute(first)]
    under: ColumnElement[bool] = publications.c.deal_id.in_(
        [deal_id for deal_id in chosen if deal_id is not None]
    )
    if None in chosen:
        under = or_(under, publications.c.deal_id.is_(None))
    ids = await transaction.execute(
        select(publications.c.id)
        .where(*is_uncertain, under)
        .order_by(publications.c.due_at, publications.c.id)
        .limit(MAX_SEARCHED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    claimed = await _claim(
        transaction, ids.scalars().all(), token=token, until=lease.until(now, claim)
    )
    return {
        deal_id: tuple(row for row in claimed if row.deal_id == deal_id)
        for deal_id in chosen
        if any(row.deal_id == deal_id for row in claimed)
    }


@cache
def _to_be_looked_for() -> Select[Any]:
    """Return the query of a due search, regardless of former claims: usually there is none."""
    return (
        select(publications.c.id)
        .where(
            publications.c.state == PublicationState.UNCERTAIN.value,
            of_tracked(publications.c.user_key),
            lease.is_free(publications.c.lease_until, lease.NOW),
            publications.c.due_at <= lease.NOW,
        )
        .limit(1)
    )


async def is_claimed(transaction: Transaction, claim: Publication, now: datetime) -> bool:
    """Return whether a row is still claimed as it was, until the end of this transaction."""
    claimed = await transaction.scalar(
        select(publications.c.id)
        .where(
            publications.c.id == claim.id,
            publications.c.token == claim.token,
            lease.lasts(publications.c.lease_until, now),
        )
        .with_for_update()
    )
    return claimed is not None


async def begin_sending(
    transaction: Transaction,
    claim: Publication,
    start: Start,
    *,
    deal_id: DealId | None,
    sent_to: Target | None = None,
    others: Sequence[Publication] = (),
) -> bool:
    """Mark a claimed publication `sending`; return False if that is not allowed.

    `deal_id` is the deal that it is put under, if any, and `sent_to` the user's target. The
    `others` of its gist, claimed with it, become its parts. A publication that may have been sent
    before is searched for again after this.
    """
    present = Present(start.now, start.mode)
    if others and not await parts.lock_claimed(transaction, (claim, *others), present):
        return False
    begun = await PUBLICATIONS.begin_sending(
        transaction,
        claim.id,
        claim.token,
        start,
        counts=or_(publications.c.sent_at.is_(None), publications.c.is_new_round == 1),
        values={"deal_id": deal_id, "sent_to": sent_to, "is_new_round": 0, "refused_at": None},
    )
    if begun and others:
        await parts.bind(transaction, claim.id, others, present)
    if begun and claim.looked_at is not None:
        await second_sends.OF_PUBLICATIONS.begin(transaction, claim.id, start.now)
    return begun


async def forget_place(transaction: Transaction, claim: Publication) -> None:
    """Forget where a claimed publication was sent, because nothing can be put there any more.

    It is sent to its user's present target; the search for what was sent covers all activities.
    """
    await transaction.execute(
        update(publications)
        .where(*PUBLICATIONS.claimed(claim.id, claim.token))
        .values(deal_id=None, sent_to=None)
    )


async def any_accepted_since(transaction: Transaction, since: datetime) -> bool:
    """Return whether a publication was sent, and accepted, since a time by our own clock."""
    found = await transaction.scalar(
        select(publications.c.id)
        .where(publications.c.published_at >= since, publications.c.sent_at >= since)
        .limit(1)
    )
    return found is not None


async def record(
    transaction: Transaction,
    claim: Publication,
    change: Change,
    now: datetime,
    *,
    only_in: PublicationState | None = None,
) -> bool:
    """Write an outcome and release the row; return False if the claim was lost meanwhile.

    With `only_in`, a row that is in another state is left unchanged, and False is returned.
    """
    wanted = PUBLICATIONS.claimed(claim.id, claim.token, only_in=only_in)
    published_at = now if change.state is PublicationState.PUBLISHED else None
    if change.accepted_id is not None:
        await _take_from_another(transaction, wanted, claim, change.accepted_id, now)
    result = await transaction.execute(
        update(publications)
        .where(*wanted)
        .values(
            **values_of(change),
            activity_id=change.accepted_id,
            published_at=published_at,
            refused_at=(
                publications.c.sent_at if change.was_refused and claim.never_arrived else None
            ),
            # Switching the account away and back removed the deal of earlier sends.
            deal_id=func.coalesce(publications.c.deal_id, claim.deal_id),
        )
    )
    if result.rowcount == 1 and (kind := EVENTS.get(change.state)):
        rows = await transaction.execute(selected().where(publications.c.part_of == claim.id))
        happened = [claim, *map(publication_of, rows)]
        await events.record(
            transaction, now, *(_event(kind, each, change.reason) for each in happened)
        )
    return result.rowcount == 1


def _event(kind: EventKind, publication: Publication, reason: str | None) -> NewEvent:
    name = publication.filename
    detail = f"{name}: {reason}" if reason else name
    return NewEvent(kind, publication.user_key, publication.gist_id, publication.id, detail)


async def _take_from_another(
    transaction: Transaction,
    wanted: Sequence[ColumnElement[bool]],
    claim: Publication,
    activity_id: int,
    now: datetime,
) -> None:
    """Take an activity's id, which Pipedrive has given again, from another publication.

    Ids restart if an account was reset or restored: the old activity no longer exists.
    """
    another = and_(publications.c.activity_id == activity_id, publications.c.id != claim.id)
    if await transaction.scalar(select(publications.c.id).where(another)) is None:
        return
    await ledger.lock(transaction)  # before any row, in the order of locking.py
    claimed = select(publications.c.id).where(*wanted).with_for_update()
    if await transaction.scalar(claimed) is None:
        return
    moved = await transaction.execute(
        update(publications)
        .where(another)
        .values(
            state=PublicationState.SKIPPED.value,
            deleted_from=None,
            activity_id=None,
            published_at=None,
            activity_lost_at=now,
            # Also if it was adopted: otherwise it would look like a database that was set back.
            sent_at=func.coalesce(publications.c.sent_at, now),
            due_at=now,
            reason=(
                f"published as activity {activity_id}, which is missing: Pipedrive has given its "
                "number to another file; retry it to publish it again"
            ),
        )
        .returning(publications.c.id)
    )
    skipped = await transaction.execute(
        selected().where(publications.c.id.in_(moved.scalars().all()))
    )
    for one in map(publication_of, skipped):
        told = _event(EventKind.PUBLICATIONS_SKIPPED, one, one.reason)
        await events.record(transaction, now, told)


async def postpone(
    transaction: Transaction, user_key: UserKey, change: Change, *, token: str, now: datetime
) -> int:
    """Apply `change` to all of a user's due publications that wait to be sent; return their number.

    Those claimed with another token than `token` are left unchanged.
    """
    result = await transaction.execute(
        update(publications)
        .where(
            in_order(
                publications.c.user_key == user_key,
                publications.c.state == PublicationState.PENDING.value,
                publications.c.due_at <= now,
                or_(publications.c.token == token, lease.is_free(publications.c.lease_until, now)),
            )
        )
        .values(**values_of(change))
        .returning(publications.c.id)
    )
    ids = [PublicationId(each) for each in result.scalars()]
    if kind := EVENTS.get(change.state):
        rows = await transaction.execute(selected().where(publications.c.id.in_(ids)))
        await events.record(
            transaction, now, *(_event(kind, publication_of(row), change.reason) for row in rows)
        )
    return len(ids)


async def _claim(
    transaction: Transaction,
    ids: Collection[int],
    *,
    token: str,
    until: ColumnElement[datetime],
) -> tuple[Publication, ...]:
    if not ids:
        return ()
    await transaction.execute(
        update(publications)
        .where(publications.c.id.in_(ids))
        .values(token=token, lease_until=until)
    )
    rows = await transaction.execute(
        selected()
        .where(publications.c.id.in_(ids))
        .order_by(publications.c.backfill, publications.c.due_at, publications.c.id)
    )
    return tuple(publication_of(row) for row in rows)
