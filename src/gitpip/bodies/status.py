"""Bodies of the status."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from gitpip.bodies.checks import CheckBody
from gitpip.bodies.noun import NounBody
from gitpip.model import PublicationState, UserState
from gitpip.modes import PublishingMode
from gitpip.status.problem import Problem, ProblemKind, Remedy, Severity
from gitpip.status.summary import ActivityState, Operation, Summary
from gitpip.store.schema_accounts import Vendor
from gitpip.store.status.budgets import StoredBudget
from gitpip.store.status.pauses import Pausable
from gitpip.version import VERSION

NotesAct = Literal["retry", "leave"]
"""The acts of a person on notes that Pipedrive refused."""


class ActivityBody(NounBody[Operation]):
    """Whether watching or publishing runs, and if not why, and until when (UTC)."""

    state: ActivityState
    reason: str | None
    until: datetime | None
    pause: Pausable | None
    """The name of the pause, for `POST /api/v1/pauses/{name}/try`."""
    by: str | None
    """The person who paused it, if one did: `POST /api/v1/publishing/resume` ends that."""


class ProblemBody(NounBody[Problem]):
    """One thing that is wrong, or not done yet. Times are UTC."""

    kind: ProblemKind
    severity: Severity
    sentence: str
    """What happened, what it means, and what to do."""
    described: str
    """What happened and what it means, without the names of settings."""
    since: datetime | None
    count: int
    """The number of users, files or parts that have it."""
    act: Remedy | None
    """The act that helps; null if it passes without help."""
    pause: str | None
    """The name for `POST /api/v1/pauses/{name}/try`, where the problem is a pause."""
    vendor: Vendor | None
    """The name for `POST /api/v1/accounts/{vendor}/switch`, where an account was changed."""
    undo_id: int | None
    """The number for `POST /api/v1/undos/{undo_id}/resume`, where an undo stopped or failed."""


class TriedBody(BaseModel):
    """The result for a pause that a person wanted to end."""

    name: Pausable
    ended: bool
    """False where there was no pause."""
    reason: str | None = None
    """The reason why nothing was ended, if so: another pause can hold it up."""


class NotesBody(BaseModel):
    """The number of notes that an act was about."""

    notes: int


class FreshnessBody(BaseModel):
    """The time since the active users were known completely, in seconds; null without any."""

    unread: int
    """Users who were not completely looked at yet; they count in none of the others."""
    p50: float | None
    p95: float | None
    max: float | None


class HeldBackBody(BaseModel):
    """A user that something could not be read of, and why."""

    login: str
    reason: str


class ListsBody(BaseModel):
    """The progress of reading every user's list by REST, which backs up GraphQL's answers."""

    waiting: int
    """The number of users whose lists were not read within the last seven days."""
    oldest: datetime | None
    """The time at which the list not read for the longest time was read, or its user added
    (UTC)."""
    a_day: int
    """The number of lists read in a day at the present pace, besides those of users with something
    new."""
    round: float | None
    """Seconds that a round over all users takes at that pace; null if none waits, or none is
    read."""


class BudgetBody(BaseModel):
    """The rest of one of the vendors' limits, as far as it is known. Times are UTC."""

    name: str
    total: int
    remaining: int
    resets_at: datetime | None
    """Null where the vendor does not say when."""
    seen_at: datetime

    @classmethod
    def of(cls, budget: StoredBudget, now: datetime) -> Self:
        """The body of a budget; one that was reset since then is full."""
        renewed = budget.resets_at is not None and budget.resets_at <= now
        return cls(
            name=budget.name,
            total=budget.total,
            remaining=budget.total if renewed else budget.remaining,
            resets_at=None if renewed else budget.resets_at,
            seen_at=budget.seen_at,
        )


class StatusBody(BaseModel):
    """The state of the service. Times are UTC."""

    version: str
    sentence: str
    """The worst problem and how many more there are, or that all is good; for people only."""
    all_good: bool
    problems: list[ProblemBody]
    """Worst first; empty when all is good."""
    users: dict[UserState, int]
    publications: dict[PublicationState, int]
    watching: ActivityBody
    publishing: ActivityBody
    next_publication_due: datetime | None
    """Not before the end of a pause; null where a person's pause has no end."""
    publishing_mode: PublishingMode
    """The mode of every user who has none of their own."""
    nothing_missed_before: datetime | None
    """Every gist that was public before is found; null until each user was read."""
    held_back_by: HeldBackBody | None
    """The user who holds that time back, if something is in the way."""
    freshness: FreshnessBody
    lists: ListsBody
    capacity: int
    """The number of users that can be checked within GitHub's limits in each check interval."""
    budgets: list[BudgetBody]
    running_services: int
    versions: list[str]
    """The versions of the instances that run; more than one during an upgrade."""
    engine_is_alive: bool
    """Here, or in another process where this one only shows."""
    last_checks: list[CheckBody]

    @classmethod
    def of(cls, summary: Summary, *, is_alive: bool | None) -> Self:
        """The body of a status; `is_alive` is None in a process that does not work."""
        condition, freshness, lists = summary.condition, summary.freshness, summary.lists
        return cls(
            version=VERSION,
            sentence=condition.sentence,
            all_good=condition.all_good,
            problems=[ProblemBody.of(problem) for problem in condition.problems],
            users={state: summary.users.get(state, 0) for state in UserState},
            publications={state: summary.publications.get(state, 0) for state in PublicationState},
            watching=ActivityBody.of(summary.watching),
            publishing=ActivityBody.of(summary.publishing),
            publishing_mode=condition.mode,
            next_publication_due=summary.next_publication_due,
            nothing_missed_before=freshness.complete_until,
            held_back_by=(
                HeldBackBody(login=behind.login, reason=behind.reason)
                if (behind := condition.furthest_behind)
                else None
            ),
            freshness=FreshnessBody(
                unread=freshness.unread,
                p50=_seconds_since(freshness.median, summary.now),
                p95=_seconds_since(freshness.most, summary.now),
                max=_seconds_since(freshness.oldest, summary.now),
            ),
            lists=ListsBody(
                waiting=lists.waiting,
                oldest=lists.oldest,
                a_day=round(lists.a_day),
                round=lists.round.total_seconds() if lists.round else None,
            ),
            capacity=summary.capacity,
            budgets=[BudgetBody.of(budget, summary.now) for budget in summary.budgets],
            running_services=len(condition.instances),
            versions=sorted({one.version for one in condition.instances}),
            engine_is_alive=condition.works if is_alive is None else is_alive,
            last_checks=[CheckBody.of(check) for check in summary.last_checks],
        )


def _seconds_since(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else (now - time).total_seconds()
