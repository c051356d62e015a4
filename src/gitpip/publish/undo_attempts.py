"""The handling of requests of an undo, for activities and deals alike.

A request that failed is tried again later, and fails for good after the last attempt. A denial
concerns only its own activity or deal. If different ones are denied in a row, the undo stops.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from gitpip.errors import OWN_FAULT, DatabaseUnavailable
from gitpip.model import PublicationState
from gitpip.observability.logging import get_logger
from gitpip.publish import delivery
from gitpip.publish.circuit_breaker import Request
from gitpip.publish.delivery import (
    Accepted,
    Ambiguous,
    Denied,
    LimitedRequest,
    NotProcessed,
    Outcome,
    Refused,
    Waits,
)
from gitpip.publish.denials import ADVICE, Denials
from gitpip.publish.guards import Guards
from gitpip.publish.pauses import Channel
from gitpip.store import events
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.publications.permission import Present
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_undo import UndoneState

FIRST_UNDO_RETRY = timedelta(seconds=2)

log = get_logger()


class Claimed(Protocol):
    """A claimed row of something that an undo deletes."""

    @property
    def undo_id(self) -> int:
        """The undo that it belongs to."""

    @property
    def attempts(self) -> int:
        """The number of attempts that failed before."""


Row = TypeVar("Row", bound=Claimed)


class UndoAttempts(ABC, Generic[Row]):
    """Deletes the activities or deals of an undo one at a time.

    Its methods return whether another may follow at once.
    """

    def __init__(self, channel: Channel, guards: Guards, *, waits: Waits) -> None:
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._last_sent = guards.last_sent
        self._clocks = guards.clocks
        self._mode = guards.mode
        self._now = guards.clocks.wall
        self._waits = waits
        self._denials = Denials()

    @abstractmethod
    def _vendor_id(self, due: Row) -> int:
        """Return the id of the activity or deal in Pipedrive."""

    @abstractmethod
    def _named(self, due: Row) -> Mapping[str, int]:
        """Return the fields that name it in the log."""

    @abstractmethod
    async def _undo(self, due: Row) -> bool:
        """Read it, and delete it if there is no reason to keep it."""

    @abstractmethod
    async def _record_deleted(self, due: Row, reason: str | None) -> None:
        """Record that it is deleted. `reason` says how, if gitpip did not delete it."""

    @abstractmethod
    async def _leave(self, due: Row, state: UndoneState, reason: str) -> None:
        """Record that it stays in Pipedrive, and why."""

    @abstractmethod
    async def _postpone(
        self, transaction: Transaction, due: Row, until: datetime, *, attempts: int, reason: str
    ) -> None:
        """Try it again later."""

    @abstractmethod
    async def _stop(self, transaction: Transaction, due: Row, reason: str) -> bool:
        """Stop its undo until a person resumes it; return False if nothing untried waits."""

    async def _present(self, transaction: Transaction) -> Present:
        return Present(self._now(), await self._mode(transaction))

    async def _guarded(self, due: Row) -> bool:
        try:
            return await self._undo(due)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("undo.broken", undo_id=due.undo_id, **self._named(due))
            await self._again(due, OWN_FAULT)
            return True

    async def _ended(self, due: Row, outcome: Outcome, request: Request) -> bool:
        """Record the result of the deletion request, and pause if it says so."""
        if not isinstance(outcome, Accepted):
            return await self._failed(due, await self._pauses.failed(outcome, request))
        # Before the pause: a deletion must be recorded in any case.
        goes_on = await self._deleted(due, None)
        await self._pauses.after(outcome, request)
        return goes_on

    async def _deleted(self, due: Row, reason: str | None) -> bool:
        if reason is None:
            self._denials.end(due.undo_id)
        await self._record_deleted(due, reason)
        return True

    async def _failed(self, due: Row, outcome: Outcome) -> bool:
        match outcome:
            case LimitedRequest(reason=reason):
                return await self._again(due, reason)
            case Denied(reason=reason):
                return await self._denied(due, reason)
            case Refused(reason=reason):
                await self._leave(due, UndoneState.FAILED, reason)
                return True
            case NotProcessed(reason=reason, pause=pause, everyone=everyone):
                now = self._now()
                later = now if everyone else now + pause
                async with self._database.begin() as transaction:
                    await self._postpone(
                        transaction, due, later, attempts=due.attempts, reason=reason
                    )
                return False
            case Ambiguous(reason=reason):
                return await self._again(due, reason)
        return True

    async def _denied(self, due: Row, reason: str) -> bool:
        await self._leave(due, UndoneState.FAILED, f"{reason}; {ADVICE}")
        if not self._denials.are_many(due.undo_id, self._vendor_id(due)):
            return True
        async with self._database.begin() as transaction:
            stopped = await self._stop(transaction, due, reason)
            if stopped:
                told = NewEvent(EventKind.UNDO_STOPPED, detail=f"undo {due.undo_id}: {reason}")
                await events.record(transaction, self._now(), told)
        if stopped:
            self._denials.end(due.undo_id)
            log.error("undo.stopped", undo_id=due.undo_id, reason=reason)
        return not stopped

    async def _again(self, due: Row, reason: str) -> bool:
        """Try it again later, or fail after the last attempt."""
        attempts = due.attempts + 1
        change = delivery.retried(attempts, reason, now=self._now(), first=FIRST_UNDO_RETRY)
        if change.state is PublicationState.FAILED:
            await self._leave(due, UndoneState.FAILED, change.reason or reason)
            return True
        async with self._database.begin() as transaction:
            await self._postpone(transaction, due, change.due_at, attempts=attempts, reason=reason)
        return not self._pauses.holds()
