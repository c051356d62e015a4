"""Screens what was claimed and never sent, and writes down what is held or skipped."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from gitpip.model import OnEdit, Publication, PublicationState
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.observability import metrics
from gitpip.observability.logging import get_logger
from gitpip.publish.checks import checks_now
from gitpip.publish.policy import Policies
from gitpip.publish.records import unexpected
from gitpip.publish.screening import (
    Candidate,
    Checks,
    Decision,
    Hold,
    Publish,
    Skip,
    decide,
    is_screened,
)
from gitpip.store.database import Database
from gitpip.store.gists import gists
from gitpip.store.publications import screened
from gitpip.store.publications.screened import Verdict

log = get_logger()


class Screener:
    """Looks at claimed publications right before their first send.

    The claim keeps others away meanwhile, so a check may take its time outside of a transaction.
    What is held or skipped is written only where the claim still holds.
    """

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], datetime],
        on_edit: OnEdit,
        policies: Policies,
    ) -> None:
        self._database = database
        self._now = now
        self._on_edit = on_edit
        self._policies = policies

    async def passed(
        self, claims: Sequence[Publication], mode: PublishingMode
    ) -> tuple[Publication, ...]:
        """Those of these claims that are to be sent; the others are written down and released.

        `mode` is that of everybody.
        """
        new = [claim for claim in claims if is_screened(claim)]
        if not new:
            return tuple(claims)
        candidates, checks = await self._candidates(new, mode)
        decisions = await asyncio.to_thread(_decided, candidates, checks)
        stopped = {
            candidate.publication.id: (candidate.publication, decision)
            for candidate, decision in zip(candidates, decisions, strict=True)
            if not isinstance(decision, Publish)
        }
        if stopped:
            await self._write(list(stopped.values()))
        return tuple(claim for claim in claims if claim.id not in stopped)

    async def _candidates(
        self, new: Sequence[Publication], mode: PublishingMode
    ) -> tuple[tuple[Candidate, ...], Checks]:
        # Where edits are written into the note, it shows the file as it is now.
        as_it_is = self._on_edit is OnEdit.UPDATE
        shown = {claim: (claim.file_key, None if as_it_is else claim.revision) for claim in new}
        async with self._database.read() as transaction:
            files = await gists.files_shown(transaction, shown.values())
            policy = await self._policies.read(transaction)
            checks = await checks_now(transaction, new, policy, self._now())
        return tuple(
            Candidate(claim, files[shown[claim]], claim.publishing_mode or mode)
            for claim in new
            # What can't be shown can't be rendered either: its failure is recorded when it is sent.
            if shown[claim] in files
        ), checks

    async def _write(self, stopped: Sequence[tuple[Publication, Decision]]) -> None:
        verdicts = [
            (claim, verdict) for claim, decision in stopped if (verdict := _verdict(decision))
        ]
        async with self._database.begin() as transaction:
            written = await screened.write(transaction, verdicts, self._now())
        for claim, verdict in verdicts:
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


def _decided(candidates: Sequence[Candidate], checks: Checks) -> list[Decision]:
    return [_decision(candidate, checks) for candidate in candidates]


def _decision(candidate: Candidate, checks: Checks) -> Decision:
    """A failure is this publication's alone: it must not keep others from being sent."""
    try:
        return decide(candidate, checks)
    except Exception as error:
        log.exception("publication.not_screened", publication_id=candidate.publication.id)
        return Hold(HeldBecause.RULE, f"it could not be screened: {unexpected(error)}")


def _verdict(decision: Decision) -> Verdict | None:
    match decision:
        case Hold(because=because, detail=detail):
            return Verdict(PublicationState.HELD, detail, because)
        case Skip(detail=detail):
            return Verdict(PublicationState.SKIPPED, detail)
        case Publish():
            return None
