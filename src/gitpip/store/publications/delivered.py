"""Delivering rows to Pipedrive: claiming, marking as being sent, recording, and releasing them.

Publications and deals go the same way. The fencing token lets only the claimant send a row, and
record its outcome. `now` is the time by our own clock; the clock of `lease` decides how long a
claim lasts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, case, false, literal, or_, select, true, update

from gitpip.model import Change, PublicationState
from gitpip.modes import PublishingMode
from gitpip.store import lease
from gitpip.store.column_types import UTCDateTime
from gitpip.store.database import Transaction
from gitpip.store.publications.being_undone import being_undone
from gitpip.store.publications.permission import not_paused_by_a_person, of_asking, of_sent
from gitpip.store.schema import deals, never_arrived, publications

SENDING = PublicationState.SENDING
SENT = (PublicationState.PUBLISHED, PublicationState.SENDING, PublicationState.UNCERTAIN)
"""The states of what is or may be in Pipedrive."""
NOTHING_SENT = (PublicationState.PENDING, PublicationState.HELD, PublicationState.FAILED)
"""The states in which nothing is in Pipedrive, and something may be sent."""


@dataclass(frozen=True)
class Start:
    """A request that is about to be made."""

    now: datetime
    lasts: timedelta
    """How long it may be under way before others search for its result."""
    vendor_time: datetime | None
    """A time by Pipedrive's clock that is not later than now, if one is known."""
    mode: PublishingMode
    """The general mode."""


@dataclass(frozen=True)
class Delivered:
    """The rows of one table, each known by its `key`."""

    table: Table
    key: ColumnElement[int]
    needs_no_approval: ColumnElement[bool]
    """The condition that a row is sent even if a person must approve everything new."""
    forbidden: ColumnElement[bool]
    """The condition that a row is not sent, claimed or not."""

    async def renew(
        self, transaction: Transaction, token: str, now: datetime, claim: timedelta
    ) -> None:
        """Extend the claims of this token on unsent rows by another `claim`.

        A claim that is over stays so: its holder was suspended, and others may have acted
        meanwhile.
        """
        of = self.table.c
        await transaction.execute(
            update(self.table)
            .where(
                self._in_order(
                    of.token == token, of.state != SENDING, lease.lasts(of.lease_until, now)
                )
            )
            .values(lease_until=lease.until(now, claim))
        )

    async def begin_sending(
        self,
        transaction: Transaction,
        key: int,
        token: str | None,
        start: Start,
        *,
        counts: ColumnElement[bool],
        values: Mapping[str, object],
    ) -> bool:
        """Mark a claimed row `sending`, with a fresh lease.

        The time of the request is kept if it `counts`: of several requests the first does, since a
        search for any of them finds what it did. Return False if the claim was lost or is over, or
        nothing of the user may be sent any more. A claim that is over may come from a backup: the
        token says nothing about what others have sent since.
        """
        of = self.table.c
        vendor_time = literal(start.vendor_time, UTCDateTime)
        result = await transaction.execute(
            update(self.table)
            .where(
                self.key == key,
                of.token == token,
                of.state == PublicationState.PENDING,
                lease.lasts(of.lease_until, start.now),
                of_sent(of.user_key, start.mode),
                not_paused_by_a_person(start.now),
                ~self.forbidden,
                or_(self.needs_no_approval, ~of_asking(of.user_key, start.mode)),
            )
            .values(
                state=SENDING,
                attempts=of.attempts + 1,
                sent_after=case((counts, vendor_time), else_=of.sent_after),
                sent_at=start.now,
                in_flight_until=None,
                lease_until=lease.until(start.now, start.lasts),
                reason=None,
                **values,
            )
        )
        return result.rowcount == 1

    def claimed(
        self, key: int, token: str | None, *, only_in: PublicationState | None = None
    ) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions of a row claimed with this token, in this state if one is given."""
        in_state = () if only_in is None else (self.table.c.state == only_in,)
        return (self.key == key, self.table.c.token == token, *in_state)

    async def release(
        self, transaction: Transaction, token: str, keys: Collection[int] | None = None
    ) -> None:
        """Release rows that are claimed with this token and unsent; all, or those of `keys`."""
        of = self.table.c
        some = () if keys is None else (self.key.in_(keys),)
        await transaction.execute(
            update(self.table)
            .where(self._in_order(of.token == token, of.state != SENDING, *some))
            .values(**lease.NO_CLAIM)
        )

    async def give_up(
        self,
        transaction: Transaction,
        change: Change,
        *,
        over_at: datetime | None,
        alive: str | None = None,
    ) -> int:
        """Apply `change` to the rows in `sending` whose sender may have died; return their number.

        A sender may have died if its lease is over; `over_at` is the time by our clock, and None
        says that all of them are dead. The holder of the token `alive` is not.
        """
        of = self.table.c
        wanted = [of.state == SENDING]
        if over_at is not None:
            wanted.append(lease.is_over(of.lease_until, over_at))
        if alive is not None:
            wanted.append(of.token != alive)
        result = await transaction.execute(
            update(self.table).where(self._in_order(*wanted)).values(**values_of(change))
        )
        return result.rowcount

    async def free_claims(self, transaction: Transaction) -> None:
        """Release every claim on a row that is not being sent, regardless of the holder."""
        of = self.table.c
        await transaction.execute(
            update(self.table)
            .where(of.token.is_not(None), of.state != SENDING)
            .values(**lease.NO_CLAIM)
        )

    def _in_order(self, *wanted: ColumnElement[bool]) -> ColumnElement[bool]:
        # See `gitpip.store.locking`.
        return self.key.in_(select(self.key).where(*wanted).order_by(self.key).with_for_update())


PUBLICATIONS = Delivered(
    publications,
    publications.c.id,
    or_(~never_arrived, publications.c.approved_at.is_not(None)),
    being_undone(),
)
DEALS = Delivered(deals, deals.c.user_key, true(), false())


def values_of(change: Change) -> Mapping[str, Any]:
    """Return the values that a change gives the columns of a row; the claim on it ends."""
    counted = {} if change.attempts is None else {"attempts": change.attempts}
    looked = {} if change.looked_at is None else {"looked_at": change.looked_at}
    refused = {} if change.refusals is None else {"refusals": change.refusals}
    return (
        counted
        | looked
        | refused
        | {
            "state": change.state.value,
            "due_at": change.due_at,
            "looks": change.looks,
            "reason": change.reason,
            "not_looked_for": change.not_looked_for,
            "in_flight_until": change.in_flight_until,
            **lease.NO_CLAIM,
        }
    )
