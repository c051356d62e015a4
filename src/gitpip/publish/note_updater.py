"""Rewriting the notes of published files that changed after they were published."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from gitpip.errors import OWN_FAULT, DatabaseUnavailable
from gitpip.model import ActivityId, FileKey, PublicationState
from gitpip.observability.logging import get_logger
from gitpip.publish import delivery
from gitpip.publish.activity import Rendered, says_the_same
from gitpip.publish.circuit_breaker import Request, RequestKind
from gitpip.publish.delivery import Accepted, Ambiguous, Denied, NotProcessed, Outcome, Refused
from gitpip.publish.destination import ListedActivity, LookFailed, NoteWritten
from gitpip.publish.detector_pause import NotExamined
from gitpip.publish.guards import Guards
from gitpip.publish.pauses import Channel
from gitpip.store.publications import note_updates, permission
from gitpip.store.publications.note_updates import Amendment
from gitpip.store.publications.permission import Present

CLAIMED_AT_ONCE = 10
FIRST_NOTE_RETRY = timedelta(seconds=2)
"""The wait before the first retry. It is short, as writing the same note twice does no harm."""

REASON_GONE = "its activity was deleted in Pipedrive"
REASON_KEPT = "a person has changed the activity in Pipedrive, so its note is kept"

log = get_logger()


class NoteUpdater:
    """Brings notes in Pipedrive up to date. `now` returns the time (UTC).

    Writing a note twice does no harm, so no search is needed. An activity that a person may have
    changed keeps its note.
    """

    def __init__(
        self,
        channel: Channel,
        render: Callable[[FileKey, int], Awaitable[Rendered]],
        *,
        now: Callable[[], datetime],
        guards: Guards,
    ) -> None:
        self._database = channel.database
        self._destination = channel.destination
        self._pauses = channel.pauses
        self._render = render
        self._now = now
        self._mode = guards.mode
        self._detector_pause = guards.detector_pause
        self._unanswered: dict[ActivityId, str] = {}
        """Notes that may have been written, as the answers were lost. They are not a person's
        changes."""

    async def run(self, may_go_on: Callable[[], Awaitable[bool]]) -> int:
        """Write a few notes that are due, while `may_go_on` allows it; return their number."""
        async with self._database.read() as transaction:
            present = Present(self._now(), await self._mode(transaction))
            due = await note_updates.due(transaction, present, CLAIMED_AT_ONCE)
        for number, amendment in enumerate(due):
            if not await may_go_on() or not await self._may_be_sent(amendment):
                return number
            try:
                await self._amend(amendment)
            except DatabaseUnavailable:
                raise
            except NotExamined as trouble:
                await self._detector_pause.stop(str(trouble))
                return number
            except Exception:
                log.exception("amendment.broken", publication_id=amendment.publication_id)
                reason = OWN_FAULT
                await self._record(amendment, Denied(reason))
        return len(due)

    async def _may_be_sent(self, amendment: Amendment) -> bool:
        """Return whether nothing has forbidden the write since it was found to be due."""
        async with self._database.read() as transaction:
            present = Present(self._now(), await self._mode(transaction))
            return await permission.may_be_sent(transaction, amendment.user_key, present)

    async def _amend(self, amendment: Amendment) -> None:
        note = (await self._render(amendment.file_key, amendment.revision)).note
        reading = self._pauses.request(RequestKind.READ, f"publication {amendment.publication_id}")
        try:
            seen = await self._destination.activity(amendment.activity_id)
        except LookFailed as failure:
            await self._record(amendment, await self._pauses.failed(failure.outcome, reading))
            return
        await self._pauses.after(None, reading)
        tried = self._unanswered.pop(amendment.activity_id, None)
        if (settled := _needs_no_write(amendment, seen, note, tried)) is not None:
            await self._record(amendment, settled)
            return
        outcome = await self._destination.rewrite_note(amendment.activity_id, note)
        request = Request(RequestKind.WRITE, f"publication {amendment.publication_id}")
        outcome = self._pauses.refused_alone(outcome, request)
        if isinstance(outcome, Ambiguous):
            self._unanswered[amendment.activity_id] = note
        await self._record(amendment, await self._pauses.failed(outcome, request))

    async def _record(self, amendment: Amendment, outcome: Outcome) -> None:
        now = self._now()
        async with self._database.begin() as transaction:
            match outcome:
                case Accepted():
                    at = outcome.at if isinstance(outcome, NoteWritten) else None
                    await note_updates.done(transaction, amendment, written_at=at)
                case Refused(reason=reason):
                    await note_updates.done(transaction, amendment, _failure(reason))
                case NotProcessed(reason=reason, pause=pause, everyone=everyone):
                    later = now if everyone else now + pause
                    await note_updates.postpone(
                        transaction, amendment, later, attempts=amendment.attempts, reason=reason
                    )
                case Denied(reason=reason) | Ambiguous(reason=reason):
                    tried = amendment.attempts + 1
                    change = delivery.retried(tried, reason, now=now, first=FIRST_NOTE_RETRY)
                    if change.state is PublicationState.FAILED:
                        await note_updates.done(
                            transaction, amendment, _failure(change.reason or reason)
                        )
                    else:
                        await note_updates.postpone(
                            transaction,
                            amendment,
                            change.due_at,
                            attempts=tried,
                            reason=reason,
                        )
        log.info(
            "publication.amended" if isinstance(outcome, Accepted) else "publication.not_amended",
            publication_id=amendment.publication_id,
            activity_id=amendment.activity_id,
            reason=getattr(outcome, "reason", None),
        )


def _needs_no_write(
    amendment: Amendment, seen: ListedActivity | None, note: str, tried: str | None
) -> Refused | NoteWritten | None:
    """Return the outcome if the note does not have to be written, or None if it does."""
    if seen is None:
        return Refused(REASON_GONE)
    if says_the_same(seen.note or "", note):  # the same as if the answer was lost
        return NoteWritten(amendment.activity_id, seen.changed_at)
    by_us = tried is not None and says_the_same(seen.note or "", tried)
    return None if by_us or seen.is_as_written(amendment.note_written_at) else Refused(REASON_KEPT)


def _failure(reason: str) -> str:
    return f"published, but its note could not be brought up to date: {reason}"
