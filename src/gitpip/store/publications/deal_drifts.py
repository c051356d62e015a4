"""Changes of users' deals in Pipedrive, and the time when it was last asked about each.

A row is moved or deleted with that of its deal, as in a switch of the account. Times are UTC.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, bindparam, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.drift import Drift, DriftAnswer, drift_words
from gitpip.model import ActivityId, Deal, DealId, PublicationState, UserKey
from gitpip.store import events
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.lease import NOW
from gitpip.store.schema import deals, publications
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import earlier_activities
from gitpip.store.schema_targets import deal_drifts
from gitpip.store.schema_undo import deal_is_open, undone_deals
from gitpip.targets import DealLinks

DEAL_ASKED_AGAIN_AFTER = timedelta(hours=1)
"""So a user with one new file a day costs one token more than the five of its activity."""
PUBLISHED = PublicationState.PUBLISHED.value
IS_WAITING = deal_drifts.c.answer == DriftAnswer.WAIT.value
"""The condition that a user's new files wait because of a change of the deal."""


async def is_usable(transaction: Transaction, user_key: UserKey, now: datetime) -> bool:
    """Return whether a known deal can be used without asking Pipedrive about it first."""
    values = {"user": user_key, "earliest": now - DEAL_ASKED_AGAIN_AFTER, "now": now}
    return bool(await transaction.scalar(_is_usable(), values))


@cache
def _is_usable() -> Select[Any]:
    user = bindparam("user", type_=Integer)
    being_deleted = (
        select(undone_deals.c.id)
        .join(deals, deals.c.deal_id == undone_deals.c.deal_id)
        .where(deals.c.user_key == user, deal_is_open, undone_deals.c.begun_at.is_not(None))
        .exists()
    )
    earliest = bindparam("earliest", type_=deal_drifts.c.asked_at.type)
    wanted = (
        ~being_deleted,
        deal_drifts.c.user_key == user,
        deal_drifts.c.asked_at.between(earliest, NOW),
        deal_drifts.c.answer.is_(None) | ~IS_WAITING,
    )
    return select(exists().where(*wanted))


async def note_asked(transaction: Transaction, user_key: UserKey, now: datetime) -> None:
    """Record that Pipedrive was asked about a deal, or has just made or shown it."""
    await _put(transaction, user_key, asked_at=now)


async def ask_again(transaction: Transaction, user_key: UserKey) -> None:
    """Have Pipedrive asked about a user's deal before it is used again."""
    await _put(transaction, user_key, asked_at=None)


async def note_open(transaction: Transaction, user_key: UserKey, now: datetime) -> None:
    """Record that a deal is open. Changes of the user's former deals stay in the row."""
    of_this = deal_drifts.c.answer.in_([DriftAnswer.KEEP.value, DriftAnswer.WAIT.value])
    await transaction.execute(
        update(deal_drifts)
        .where(deal_drifts.c.user_key == user_key, of_this)
        .values(drift=None, answer=None, drifted_at=None, drifted_deal_id=None)
    )
    await note_asked(transaction, user_key, now)


async def note(
    transaction: Transaction, deal: Deal, drift: Drift, answer: DriftAnswer, now: datetime
) -> bool:
    """Record a change of a deal, and where new files go; return False if that was known."""
    what = {"drift": drift, "answer": answer, "drifted_deal_id": deal.deal_id}
    same = [deal_drifts.c[name] == value for name, value in what.items()]
    known = select(exists().where(deal_drifts.c.user_key == deal.user_key, *same))
    if await transaction.scalar(known):
        await note_asked(transaction, deal.user_key, now)
        return False
    await _put(transaction, deal.user_key, asked_at=now, drifted_at=now, **what)
    words = drift_words(deal.deal_id or 0, drift, answer)
    told = NewEvent(EventKind.DEAL_DRIFTED, deal.user_key, detail=words)
    await events.record(transaction, now, told)
    return True


async def follow(
    transaction: Transaction, user_key: UserKey, former: DealId, to: DealId, links: DealLinks
) -> bool:
    """Give a user the deal that the former one was merged into; return False if it has another.

    The user's activities under the former deal are under that deal, too.
    """
    result = await transaction.execute(
        update(deals)
        .where(
            deals.c.user_key == user_key,
            deals.c.state == PUBLISHED,
            deals.c.deal_id == former,
        )
        .values(deal_id=to, person_id=links.person_id, org_id=links.org_id)
    )
    if not result.rowcount:
        return False
    # An uncertain publication keeps the former deal: the search for it starts there.
    mine = publications.c.user_key == user_key
    await transaction.execute(
        update(publications)
        .where(mine, publications.c.deal_id == former, publications.c.state == PUBLISHED)
        .values(deal_id=to)
    )
    await transaction.execute(
        update(earlier_activities)
        .where(
            earlier_activities.c.publication_id.in_(select(publications.c.id).where(mine)),
            earlier_activities.c.deal_id == former,
            earlier_activities.c.deleted_at.is_(None),
        )
        .values(deal_id=to)
    )
    return True


async def followed_at(
    transaction: Transaction, user_key: UserKey, deal_id: int | None
) -> datetime | None:
    """Return when a user's former deal was found to be merged into this one, or None."""
    found: datetime | None = await transaction.scalar(
        select(deal_drifts.c.drifted_at)
        .join(deals, deals.c.user_key == deal_drifts.c.user_key)
        .where(
            deal_drifts.c.user_key == user_key,
            deal_drifts.c.drift == Drift.MERGED,
            deal_drifts.c.answer == DriftAnswer.FOLLOW,
            deals.c.deal_id == deal_id,
        )
    )
    return found


async def newest_activities(
    transaction: Transaction, user_key: UserKey, deal_id: DealId, limit: int
) -> Sequence[ActivityId]:
    """Return the last activities that were sent to a user's deal."""
    found = await transaction.execute(
        select(publications.c.activity_id)
        .where(
            publications.c.user_key == user_key,
            publications.c.deal_id == deal_id,
            publications.c.state == PUBLISHED,
            publications.c.activity_id.is_not(None),
        )
        .order_by(publications.c.id.desc())
        .limit(limit)
    )
    return [ActivityId(row.activity_id) for row in found]


def waiting_users() -> ColumnElement[bool]:
    """Return the condition that a publication's user waits because of a change of the deal."""
    return publications.c.user_key.in_(select(deal_drifts.c.user_key).where(IS_WAITING))


async def _put(transaction: Transaction, user_key: UserKey, **values: object) -> None:
    mine = update(deal_drifts).where(deal_drifts.c.user_key == user_key).values(**values)
    if (await transaction.execute(mine)).rowcount:
        return
    # The user's deal may be deleted by now, or another process may be making the row.
    with suppress(IntegrityError):
        async with transaction.begin_nested():
            await transaction.execute(insert(deal_drifts).values(user_key=user_key, **values))
