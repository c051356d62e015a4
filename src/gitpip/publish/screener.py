"""The screener: checks claims that were never sent, and records what is held or skipped."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from gitpip.errors import OWN_FAULT
from gitpip.model import OnEdit, Publication, PublicationState, UserKey
from gitpip.modes import PublishingMode
from gitpip.observability import metrics
from gitpip.observability.logging import get_logger
from gitpip.observability.watchdog import step
from gitpip.publish import delivery
from gitpip.publish.detector_pause import DetectorPause
from gitpip.publish.policy import Policies
from gitpip.publish.records import record
from gitpip.publish.screening import (
    Candidate,
    Checks,
    Decision,
    Hold,
    Publish,
    Skip,
    Wait,
    decide,
    is_screened,
)
from gitpip.publish.screening_checks import checks_now
from gitpip.store.database import Database
from gitpip.store.gists import gists
from gitpip.store.publications import screened
from gitpip.store.publications.delivered import PUBLICATIONS
from gitpip.store.publications.screened import ScreeningDecision

SLOW = 1.0
"""The seconds of a slow file. After a slower one, the files of other users go first."""

log = get_logger()


class Screener:
    """Checks claimed publications right before their first send.

    The claim keeps other processes away, so a check may take its time outside of a transaction. A
    hold or skip is only written if the claim still holds.
    """

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], datetime],
        on_edit: OnEdit,
        policies: Policies,
        detector_pause: DetectorPause,
    ) -> None:
        self._database = database
        self._now = now
        self._on_edit = on_edit
        self._policies = policies
        self._detector_pause = detector_pause
        self.slow: set[UserKey] = set()
        """The users with files that took long in this run."""

    async def passed(
        self,
        claims: Sequence[Publication],
        mode: PublishingMode,
        stop_asked: Callable[[], bool] = lambda: False,
    ) -> tuple[Publication, ...]:
        """Return the claims that are to be sent. The others are recorded and released.

        `mode` is that of everybody. After `stop_asked`, or if no file can be examined, no other
        file is checked, and an unchecked file is not sent. After a slow file, no other one of its
        user is checked.
        """
        new = [claim for claim in claims if is_screened(claim)]
        if not new:
            return tuple(claims)
        candidates, checks = await self._candidates(new, mode)
        stopped: dict[Publication, ScreeningDecision] = {}
        aside: set[Publication] = set()
        trouble: str | None = None
        slow: set[UserKey] = set()
        for candidate in candidates:
            claim = candidate.publication
            if trouble or claim.user_key in slow or stop_asked():
                aside.add(claim)
                continue
            # One file may take seconds, so each of them counts as a step.
            began = time.monotonic()
            decision = await asyncio.to_thread(_decision, candidate, checks)
            step()
            if time.monotonic() - began > SLOW:
                slow.add(claim.user_key)
            if isinstance(decision, Wait):
                aside.add(claim)
                trouble = decision.detail
            elif isinstance(decision, Exception):
                aside.add(claim)
                await self._set_aside(claim)
            elif verdict := _verdict(decision):
                stopped[claim] = verdict
        if stopped:
            await self._write(stopped)
        if trouble is not None:
            await self._detector_pause.stop(trouble)
        await self._hand_back(aside)
        self.slow |= slow
        return tuple(claim for claim in claims if claim not in stopped and claim not in aside)

    async def _candidates(
        self, new: Sequence[Publication], mode: PublishingMode
    ) -> tuple[tuple[Candidate, ...], Checks]:
        # If edits are written into the note, it shows the file as it is now.
        as_it_is = self._on_edit is OnEdit.UPDATE
        shown = {claim: (claim.file_key, None if as_it_is else claim.revision) for claim in new}
        async with self._database.read() as transaction:
            files = await gists.files_shown(transaction, shown.values())
            policy = await self._policies.read(transaction)
            checks = await checks_now(transaction, new, policy, self._now())
        # A file that is not stored can't be sent either: rendering it fails, and that is recorded
        # with it.
        candidates = tuple(
            Candidate(claim, files[place], claim.publishing_mode or mode)
            for claim, place in shown.items()
            if place in files
        )
        return candidates, checks

    async def _hand_back(self, claims: Collection[Publication]) -> None:
        """Release what was not checked, unchanged."""
        if not claims:
            return
        async with self._database.begin() as transaction:
            for token in {claim.token or "" for claim in claims}:
                ids = [claim.id for claim in claims if claim.token == token]
                await PUBLICATIONS.release(transaction, token, ids)

    async def _set_aside(self, claim: Publication) -> None:
        """Put a publication off whose check failed by an error, which is in the log."""
        now = self._now()
        later = delivery.retried(claim.attempts + 1, OWN_FAULT, now=now)
        await record(self._database, claim, later, now)

    async def _write(self, stopped: Mapping[Publication, ScreeningDecision]) -> None:
        async with self._database.begin() as transaction:
            written = await screened.write(transaction, stopped, self._now())
        for claim, verdict in stopped.items():
            if claim.id in written:
                metrics.deliveries.labels(verdict.state).inc()
                log.info(
                    f"publication.{verdict.state}",
                    login=claim.login,
                    gist_id=claim.gist_id,
                    filename=claim.filename,
                    publication_id=claim.id,
                    reason=verdict.reason,
                )


def _decision(candidate: Candidate, checks: Checks) -> Decision | Exception:
    """Return the decision, or the error: it must not keep other publications from being sent."""
    try:
        return decide(candidate, checks)
    except Exception as error:
        claim = candidate.publication
        log.exception("publication.broken", login=claim.login, publication_id=claim.id)
        return error


def _verdict(decision: Decision) -> ScreeningDecision | None:
    match decision:
        case Hold(because=because, detail=detail):
            return ScreeningDecision(PublicationState.HELD, detail, because)
        case Skip(detail=detail):
            return ScreeningDecision(PublicationState.SKIPPED, detail)
        case Publish() | Wait():
            return None
