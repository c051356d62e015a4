"""Deals: one for each user, delivered in the same way as a publication."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from gitpip.model import Change, Deal, DealId, PublicationState, UserKey
from gitpip.store import lease
from gitpip.store.database import Transaction
from gitpip.store.locking import in_order
from gitpip.store.publications.deal_drifts import waiting_users
from gitpip.store.publications.delivered import DEALS, Start, values_of
from gitpip.store.rows import reader
from gitpip.store.schema import deals, publications, users
from gitpip.store.schema_targets import targets
from gitpip.targets import NO_LINKS, DealLinks

_deal = reader(Deal)


async def claim(
    transaction: Transaction,
    user_key: UserKey,
    *,
    token: str,
    now: datetime,
    claim: timedelta,
    given_up: Change,
) -> Deal:
    """Return the user's deal row, made when first needed, and claim it for a while if it is due.

    The caller may act on it if the returned `token` is the given one. The change `given_up` is
    applied to a deal in `sending` whose lease is over: its sender died.
    """
    known = await transaction.scalar(
        select(deals.c.user_key).where(deals.c.user_key == user_key).with_for_update()
    )
    if known is None:
        # Another transaction that needs the row may be making it at this moment.
        with suppress(IntegrityError):
            async with transaction.begin_nested():
                await transaction.execute(
                    insert(deals).values(
                        user_key=user_key, state=PublicationState.PENDING.value, due_at=now
                    )
                )
    await transaction.execute(
        update(deals)
        .where(
            deals.c.user_key == user_key,
            deals.c.state == PublicationState.SENDING.value,
            lease.is_over(deals.c.lease_until, now),
        )
        .values(**values_of(given_up))
    )
    await transaction.execute(
        update(deals)
        .where(
            deals.c.user_key == user_key,
            deals.c.state.in_([PublicationState.PENDING.value, PublicationState.UNCERTAIN.value]),
            deals.c.due_at <= now,
            lease.is_free(deals.c.lease_until, now),
        )
        .values(token=token, lease_until=lease.until(now, claim))
    )
    return await get(transaction, user_key)


async def get(transaction: Transaction, user_key: UserKey) -> Deal:
    """Return the deal row of a user for which `claim` was called."""
    return _deal((await transaction.execute(_deals().where(deals.c.user_key == user_key))).one())


async def of_users(transaction: Transaction, user_keys: Collection[UserKey]) -> dict[UserKey, Deal]:
    """Return the deals of these users that have a row."""
    rows = await transaction.execute(_deals().where(deals.c.user_key.in_(user_keys)))
    return {deal.user_key: deal for deal in (_deal(row) for row in rows)}


async def made(transaction: Transaction, user_key: UserKey) -> tuple[DealId, DealLinks] | None:
    """Return the user's deal, with its person and organization; None if it is not made yet."""
    row = (
        await transaction.execute(
            select(deals.c.deal_id, deals.c.person_id, deals.c.org_id).where(
                deals.c.user_key == user_key, deals.c.state == PublicationState.PUBLISHED.value
            )
        )
    ).one_or_none()
    return None if row is None else (DealId(row.deal_id), DealLinks(row.person_id, row.org_id))


async def link(transaction: Transaction, user_key: UserKey, deal_id: DealId, to: DealLinks) -> None:
    """Store the person and organization of a user's deal, unless the user has another one now."""
    await transaction.execute(
        update(deals)
        .where(deals.c.user_key == user_key, deals.c.deal_id == deal_id)
        .values(**asdict(to))
    )


async def begin_sending(transaction: Transaction, claim: Deal, start: Start, title: str) -> bool:
    """Mark a claimed deal `sending` with this title; return False if that is not allowed."""
    return await DEALS.begin_sending(
        transaction,
        claim.user_key,
        claim.token,
        start,
        # Unless the deal was made and has been deleted.
        counts=or_(deals.c.sent_at.is_(None), deals.c.looked_at.is_(None)),
        values={"title": title},
    )


async def record(
    transaction: Transaction,
    claim: Deal,
    change: Change,
    *,
    only_in: PublicationState | None = None,
) -> bool:
    """Write an outcome and release the deal; return False if the claim was lost meanwhile.

    With `only_in`, a deal that is in another state is left unchanged, and False is returned.
    """
    wanted = DEALS.claimed(claim.user_key, claim.token, only_in=only_in)
    result = await transaction.execute(
        update(deals)
        .where(*wanted)
        .values(**values_of(change), deal_id=change.accepted_id, **asdict(change.links))
    )
    return result.rowcount == 1


async def forget(transaction: Transaction, user_key: UserKey, change: Change) -> None:
    """Apply `change` to a user's deal that Pipedrive no longer has: another is found or made."""
    await _forget(transaction, deals.c.user_key == user_key, change)


async def forget_deleted(transaction: Transaction, deal_id: DealId, now: datetime) -> None:
    """Forget a deal that an undo has deleted: another is made once it is needed."""
    change = Change(PublicationState.PENDING, now, attempts=0)
    await _forget(transaction, deals.c.deal_id == deal_id, change)


async def _forget(transaction: Transaction, which: ColumnElement[bool], change: Change) -> None:
    await transaction.execute(
        update(deals)
        .where(which, deals.c.state == PublicationState.PUBLISHED.value)
        .values(**values_of(change), deal_id=None, looked_at=None, **asdict(NO_LINKS))
    )


async def owners(
    transaction: Transaction, ids: Sequence[DealId]
) -> dict[DealId, tuple[UserKey, ...]]:
    """Return the users that these deals belong to, removed users included."""
    found: defaultdict[DealId, tuple[UserKey, ...]] = defaultdict(tuple)
    rows = await transaction.execute(
        select(deals.c.deal_id, deals.c.user_key)
        .where(deals.c.deal_id.in_(ids), deals.c.state == PublicationState.PUBLISHED.value)
        .order_by(deals.c.user_key)
    )
    for row in rows:
        found[DealId(row.deal_id)] += (UserKey(row.user_key),)
    return dict(found)


async def is_expected(transaction: Transaction, title: str, *, besides: UserKey) -> bool:
    """Return whether a deal with this title may be one that another user's request has made."""
    found = await transaction.scalar(
        select(deals.c.user_key)
        .where(
            deals.c.state.in_([PublicationState.SENDING.value, PublicationState.UNCERTAIN.value]),
            deals.c.user_key != besides,
            # SQLite knows no case of letters outside of ASCII, which a template can hold.
            or_(func.lower(deals.c.title) == title.lower(), deals.c.title == title),
        )
        .limit(1)
    )
    return found is not None


async def retry(transaction: Transaction, user_key: UserKey, now: datetime) -> None:
    """Try again to make a refused deal, and end the wait of a waiting one.

    The user's publications that wait for the same time as the deal are due at `now` too. Call
    `ledger.lock` first.
    """
    waits = and_(_waits(now), deals.c.user_key == user_key)
    until = await transaction.scalar(select(deals.c.due_at).where(waits))
    if until is not None:
        await transaction.execute(
            update(publications)
            .where(
                in_order(
                    publications.c.user_key == user_key,
                    publications.c.state == PublicationState.PENDING.value,
                    publications.c.token.is_(None),
                    publications.c.due_at == until,
                )
            )
            .values(due_at=now)
        )
        # Deals that wait for the same cap wait for the same time: no deal waits for it now.
        await transaction.execute(
            update(deals).where(_waits(now), deals.c.due_at == until).values(due_at=now)
        )
    failed = deals.c.state == PublicationState.FAILED.value
    due_again = and_(deals.c.state == PublicationState.PENDING.value, deals.c.due_at == now)
    await transaction.execute(
        update(deals)
        .where(deals.c.user_key == user_key, or_(failed, due_again))
        .values(
            state=PublicationState.PENDING.value, due_at=now, reason=None, attempts=0, refusals=0
        )
    )


async def end_waits(transaction: Transaction, now: datetime) -> bool:
    """Make every waiting deal due at `now`, with its user's files; return False if none waits.

    The files that wait because of a change of their deal become due, too. Call `ledger.lock` first.
    """
    waiting = select(deals.c.user_key).where(_waits(now))
    freed = await transaction.execute(
        update(publications)
        .where(
            in_order(
                or_(publications.c.user_key.in_(waiting), waiting_users()),
                publications.c.state == PublicationState.PENDING.value,
                publications.c.token.is_(None),
                publications.c.due_at > now,
            )
        )
        .values(due_at=now)
    )
    ended = await transaction.execute(update(deals).where(_waits(now)).values(due_at=now))
    return ended.rowcount > 0 or freed.rowcount > 0


async def any_waits_until(transaction: Transaction, until: datetime) -> bool:
    """Return whether a deal is still postponed to exactly this time."""
    found = await transaction.scalar(
        select(deals.c.user_key)
        .where(deals.c.state == PublicationState.PENDING.value, deals.c.due_at == until)
        .limit(1)
    )
    return found is not None


def _waits(now: datetime) -> ColumnElement[bool]:
    return and_(
        deals.c.state == PublicationState.PENDING.value,
        deals.c.token.is_(None),
        deals.c.reason.is_not(None),
        deals.c.due_at > now,
    )


@cache
def _deals() -> Select[Any]:
    return select(deals, users.c.login, users.c.github_id).join(
        users, users.c.key == deals.c.user_key
    )


async def adopt_deal(
    transaction: Transaction, user_key: UserKey, found: Counter[DealId], now: datetime
) -> None:
    """Give a user without a deal the one that holds most of these activities of the user's.

    A deal that belongs to another user is not taken. A user with a target needs none.
    """
    if await transaction.scalar(select(targets.c.user_key).where(targets.c.user_key == user_key)):
        return
    present = (
        await transaction.execute(
            select(deals.c.state).where(deals.c.user_key == user_key).with_for_update()
        )
    ).one_or_none()
    if present and present.state in {
        PublicationState.PUBLISHED.value,
        PublicationState.SENDING.value,
    }:
        return
    taken = set(
        (
            await transaction.execute(
                select(deals.c.deal_id).where(
                    deals.c.deal_id.in_(list(found)), deals.c.user_key != user_key
                )
            )
        ).scalars()
    )
    free = [(-number, deal_id) for deal_id, number in found.items() if deal_id not in taken]
    if not free:
        return
    values = {
        "state": PublicationState.PUBLISHED.value,
        "deal_id": min(free)[1],
        "due_at": now,
        "reason": None,
        **lease.NO_CLAIM,
    }
    if present:
        await transaction.execute(
            update(deals).where(deals.c.user_key == user_key).values(**values)
        )
    else:
        await transaction.execute(insert(deals).values(user_key=user_key, **values))
