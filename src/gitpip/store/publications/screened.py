"""The decisions of screening about publications that were never sent."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, update

from gitpip.model import Publication, PublicationId, PublicationState
from gitpip.modes import HeldBecause
from gitpip.store import events, lease
from gitpip.store.database import Transaction
from gitpip.store.locking import in_order
from gitpip.store.schema import never_arrived, publications
from gitpip.store.schema_events import EventKind

EVENTS = {
    PublicationState.HELD: EventKind.PUBLICATIONS_HELD,
    PublicationState.SKIPPED: EventKind.PUBLICATIONS_SKIPPED,
}
"""The event that is recorded for each state that screening decides on."""


@dataclass(frozen=True)
class ScreeningDecision:
    """The decision on a publication that is not sent: held, or skipped."""

    state: PublicationState
    reason: str
    held_because: HeldBecause | None = None


async def write(
    transaction: Transaction, verdicts: Mapping[Publication, ScreeningDecision], now: datetime
) -> frozenset[PublicationId]:
    """Store the decisions whose claims are still valid; return the publications concerned.

    Publications that were claimed, decided or sent by others meanwhile are left unchanged.
    """
    alike: defaultdict[tuple[ScreeningDecision, str | None], list[PublicationId]] = defaultdict(
        list
    )
    for claim, verdict in verdicts.items():
        alike[verdict, claim.token].append(claim.id)
    written: set[PublicationId] = set()
    for (verdict, token), ids in alike.items():
        result = await transaction.execute(
            update(publications)
            .where(
                in_order(
                    publications.c.state == PublicationState.PENDING.value,
                    never_arrived,
                    _not_approved(verdict),
                    publications.c.id.in_(ids),
                    publications.c.token == token,
                    lease.lasts(publications.c.lease_until, now),
                )
            )
            .values(
                state=verdict.state,
                deleted_from=None,
                reason=verdict.reason,
                held_because=verdict.held_because,
                due_at=now,
                **lease.NO_CLAIM,
                approved_at=None,
                approved_by=None,
            )
            .returning(publications.c.id, publications.c.user_key)
        )
        rows = result.all()
        written.update(PublicationId(row.id) for row in rows)
        keys = [row.user_key for row in rows]
        await events.record_files(transaction, now, EVENTS[verdict.state], keys, verdict.reason)
    return frozenset(written)


def _not_approved(verdict: ScreeningDecision) -> ColumnElement[bool]:
    """Return the condition that no person approved it.

    For credentials: that no person approved it with them after they were found.
    """
    of = publications.c
    if verdict.held_because is not HeldBecause.CREDENTIALS:
        return of.approved_at.is_(None)
    return or_(
        of.approved_at.is_(None),
        of.held_because.is_(None),
        of.held_because != HeldBecause.CREDENTIALS,
        of.masked == 1,
    )
