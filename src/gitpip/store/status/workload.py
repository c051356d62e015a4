"""Waiting work and its progress, which tell a stall from a wait."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, exists, func, or_, select

from gitpip.model import PauseCause, PublicationState
from gitpip.store import ledger
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.publications.permission import Present
from gitpip.store.schema import checks, publications, users, watched
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status import pauses, publishing_pause
from gitpip.store.status.kept_back import is_kept_back
from gitpip.store.visibility import of_removed

TO_DO = (PublicationState.PENDING.value, PublicationState.UNCERTAIN.value)


@dataclass(frozen=True)
class Work:
    """The work of one part of the service at one time, in all processes together."""

    waits: bool
    """Whether something is due that no vendor and no missing token prevents."""
    claimed: bool
    """Whether a process works on it at this moment."""
    mark: tuple[object, ...]
    """A value that changes whenever a process has done a step."""


async def of_watching(transaction: Transaction, now: datetime) -> Work:
    """Return the work of watching: the due users, and the last result of a check as its mark.

    A result is a success, a failure or a file.
    """
    due = select(exists().where(watched, users.c.next_check_at <= now))
    claimed = select(exists().where(users.c.claimed_by.is_not(None), users.c.claimed_until > now))
    last = (
        await transaction.execute(
            select(checks.c.id, checks.c.users, checks.c.files)
            .where(or_(checks.c.users > 0, checks.c.files > 0))
            .order_by(checks.c.id.desc())
            .limit(1)
        )
    ).first()
    waits = bool(await transaction.scalar(due)) and not (
        await _held_up(transaction, pauses.STOPS_WATCHING, now)
        or await accounts.change(transaction, Vendor.GITHUB)
    )
    return Work(waits, bool(await transaction.scalar(claimed)), tuple(last or ()))


async def of_publishing(transaction: Transaction, present: Present) -> Work:
    """Return the work of publishing: the next publications, and the last arrival as its mark."""
    now = present.now
    following = [
        row
        for state in TO_DO
        if (row := (await transaction.execute(_next(state, present))).first())
    ]
    claimed = select(
        exists().where(publications.c.state.in_(TO_DO), publications.c.lease_until > now)
    )
    arrived = await transaction.scalar(
        select(func.max(publications.c.published_at, type_=publications.c.published_at.type))
    )
    waits = bool(following) and not (
        await _held_up(transaction, pauses.STOPS_PUBLISHING, now)
        or await publishing_pause.current(transaction, now)
        or await accounts.change(transaction, Vendor.DESTINATION)
    )
    compared = await ledger.read(transaction)
    mark = (*(tuple(row) for row in following), arrived, compared.compared_at, compared.read)
    return Work(waits, waits and bool(await transaction.scalar(claimed)), mark)


def _next(state: str, present: Present) -> Select[tuple[int, datetime, int, int]]:
    """Return the query of the first due publication in a state, claimed or not, in index order."""
    return (
        select(
            publications.c.id,
            publications.c.due_at,
            publications.c.attempts,
            publications.c.looks,
        )
        .where(
            publications.c.state == state,
            publications.c.due_at <= present.now,
            ~of_removed(publications.c.user_key),
            ~is_kept_back(present.mode),
        )
        .order_by(publications.c.backfill, publications.c.due_at)
        .limit(1)
    )


async def _held_up(transaction: Transaction, names: tuple[str, ...], now: datetime) -> bool:
    """Return whether a vendor delays a part; a pause caused by a fault of gitpip does not count."""
    current = await pauses.pauses_now(transaction, now)
    return any(
        pause.cause is not PauseCause.FAULT for name, pause in current.items() if name in names
    )
