"""The plan of what would be sent, where, and at what cost, without sending anything."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from gitpip.config.publishing.activity import PER_GIST
from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.model import DealId, FileKey, Publication, PublicationId, UserKey
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.publish.gists import grouped
from gitpip.publish.screening import (
    PUBLISH,
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
from gitpip.publish.token_costs import ACTIVITY_TOKENS, FIRST_DEAL_TOKENS
from gitpip.store.database import Transaction
from gitpip.store.gists import gists
from gitpip.store.publications import deals, held, planned
from gitpip.store.users import targets
from gitpip.targets import TargetKind


class RenderedActivity(Protocol):
    """The content of an activity for Pipedrive: a plain subject, and a note in HTML."""

    @property
    def subject(self) -> str: ...

    @property
    def note(self) -> str: ...


Render = Callable[[Transaction, FileKey, int], Awaitable[RenderedActivity]]
"""A function that renders the activity of a revision of a file."""


@dataclass(frozen=True)
class Planned:
    """One activity that would be sent, or why it would not be."""

    id: PublicationId
    login: str
    filename: str
    deal_id: DealId | None
    """None if the deal is still to be found or made, or if the target is not a deal."""
    target: str | None
    """The user's target, like `person:7`; None for the deal by its title."""
    subject: str
    note_bytes: int
    tokens: int
    """The most tokens that it costs, with those for the user's deal if this is the first to need
    it."""
    held_because: HeldBecause | None
    """The reason for which it would first be held, if it would be."""
    reason: str | None
    """The reason why it would be held or skipped, or None if it would be sent."""
    part_of: PublicationId | None = None
    """The publication above with whose activity it would go out."""


@dataclass(frozen=True)
class SendingPlan:
    """The activities that would be sent, in order.

    `activities`, `deals` and `tokens` count all of them.
    """

    items: tuple[Planned, ...]
    activities: int
    deals: int
    """The number of deals that would be found or made."""
    tokens: int
    """The most tokens that it costs of Pipedrive's daily budget."""
    held: Mapping[HeldBecause, int]
    """The number of files that are held already and wait for a person, by reason."""


async def plan(
    transaction: Transaction,
    render: Render,
    policy: PublishingPolicy,
    now: datetime,
    *,
    limit: int,
) -> SendingPlan:
    """Return what would be sent without a dry run, under this policy.

    The files of paused users are left out. `limit` limits the items, but not the numbers.
    """
    rows = await planned.first(transaction, limit)
    of_users = await deals.of_users(transaction, {row.user_key for row in rows})
    given = await targets.of_users(transaction, {row.user_key for row in rows})
    shown = {row: (row.file_key, row.revision) for row in rows}
    files = await gists.files_shown(transaction, shown.values())
    rows = tuple(row for row in rows if shown[row] in files)
    checks = await checks_now(transaction, rows, policy, now)
    candidates = [Candidate(row, files[shown[row]], policy.publishing_mode) for row in rows]
    decisions = await asyncio.to_thread(_decisions, candidates, checks)
    items: list[Planned] = []
    paid_for: set[UserKey] = set()
    per_gist = policy.activity_per == PER_GIST
    sent = [row for row, decision in zip(rows, decisions, strict=True) if decision == PUBLISH]
    goes_with = {
        other.id: first.id
        for first, others in (grouped(sent) if per_gist else ())
        for other in others
    }
    for row, decision in zip(rows, decisions, strict=True):
        activity = await render(transaction, row.file_key, row.revision)
        deal = of_users.get(row.user_key)
        deal_id = deal.deal_id if deal else None
        target = given[row.user_key].target if row.user_key in given else None
        if target is not None:
            deal_id = DealId(target.number) if target.kind is TargetKind.DEAL else None
        tokens = 0
        if isinstance(decision, Publish):
            tokens = 0 if row.id in goes_with else ACTIVITY_TOKENS
            if deal_id is None and target is None and row.user_key not in paid_for:
                paid_for.add(row.user_key)
                tokens += FIRST_DEAL_TOKENS
        one = _planned(row, deal_id, activity, tokens, decision)
        items.append(
            replace(
                one,
                part_of=goes_with.get(row.id),
                target=None if target is None else str(target),
            )
        )
    totals = await planned.totals(transaction, per_gist=per_gist)
    tokens = totals.activities * ACTIVITY_TOKENS + totals.deals * FIRST_DEAL_TOKENS
    reasons = await held.reasons(transaction)
    return SendingPlan(tuple(items), totals.activities, totals.deals, tokens, reasons)


def _planned(
    row: Publication,
    deal_id: DealId | None,
    activity: RenderedActivity,
    tokens: int,
    decision: Decision,
) -> Planned:
    return Planned(
        row.id,
        row.login,
        row.filename,
        deal_id,
        None,
        activity.subject,
        len(activity.note.encode()),
        tokens,
        decision.because if isinstance(decision, Hold) else None,
        _reason(decision),
    )


def _reason(decision: Decision) -> str | None:
    match decision:
        case Publish():
            return None
        case Wait(detail=detail):
            return f"can't be examined for credentials at present: {detail}"
        case Hold(detail=detail) | Skip(detail=detail):
            return detail


def _decisions(candidates: Sequence[Candidate], checks: Checks) -> list[Decision]:
    return [_decision(each.publication, each, checks) for each in candidates]


def _decision(row: Publication, candidate: Candidate, checks: Checks) -> Decision:
    """Return the decision about it outside of a dry run."""
    if not is_screened(row):
        return Publish()
    mode = row.publishing_mode or candidate.mode
    if mode is PublishingMode.DRY_RUN:
        mode = PublishingMode.AUTOMATIC
    unmarked = replace(row, held_because=None)
    return decide(replace(candidate, publication=unmarked, mode=mode), checks)
