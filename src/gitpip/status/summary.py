"""The status as data: what the API, the page and the command show of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gitpip.model import Check, PublicationState, UserState
from gitpip.status import reading
from gitpip.status.problem import ProblemKind
from gitpip.status.reading import ProcessFacts, ServiceCondition
from gitpip.store.database import Transaction
from gitpip.store.publications import publications
from gitpip.store.status import budgets, checks, lists_read, pauses
from gitpip.store.status.budgets import StoredBudget
from gitpip.store.status.lists_read import Lists
from gitpip.store.users import schedule, users
from gitpip.store.users.schedule import Freshness

CountPublications = Callable[[Transaction], Awaitable[Mapping[PublicationState, int]]]


class ActivityState(StrEnum):
    """Whether watching or publishing runs."""

    RUNNING = "running"
    PAUSED = "paused"
    WAITING_FOR_TOKEN = "waiting-for-token"  # noqa: S105 - a state


@dataclass(frozen=True)
class Operation:
    """Whether watching or publishing runs, and if not, why and until when (UTC)."""

    state: ActivityState = ActivityState.RUNNING
    reason: str | None = None
    until: datetime | None = None
    """None where the end is not known, as where a person has to act."""
    pause: str | None = None
    """The name of gitpip's own pause, for `try_now`."""
    by: str | None = None
    """The person who paused it."""
    problem: ProblemKind | None = None
    """The problem that stops it, where that is not a pause."""


@dataclass(frozen=True)
class Summary:
    """How the service is doing. Times are UTC."""

    now: datetime
    condition: ServiceCondition
    users: Mapping[UserState, int]
    """The tracked users; a state without any may be missing."""
    publications: Mapping[PublicationState, int]
    """The same of publications."""
    watching: Operation
    publishing: Operation
    next_publication_due: datetime | None
    """Not before the end of a pause; None where a person's pause has no end."""
    freshness: Freshness
    lists: Lists
    capacity: int
    """How many users GitHub's limits allow to be checked in each interval."""
    budgets: tuple[StoredBudget, ...]
    last_checks: tuple[Check, ...]
    """The newest first."""


async def read_summary(
    transaction: Transaction,
    process: ProcessFacts,
    now: datetime,
    count: CountPublications = publications.count,
) -> Summary:
    """Read the status at `now` (UTC); `count` gives the numbers of publications."""
    condition = await reading.read(transaction, process, now)
    due = await publications.next_due(transaction, condition.mode)
    return Summary(
        now=now,
        condition=condition,
        users=await users.count(transaction),
        publications=await count(transaction),
        watching=watching_of(condition),
        publishing=publishing_of(condition),
        next_publication_due=condition.publishing_due(due),
        freshness=await schedule.freshness(transaction),
        lists=await lists_read.lists(transaction, now),
        capacity=condition.capacity,
        budgets=tuple(await budgets.known_budgets(transaction)),
        last_checks=tuple((await checks.page(transaction, offset=0, limit=5)).items),
    )


def watching_of(condition: ServiceCondition) -> Operation:
    """Return whether users are checked."""
    stopped = _stopped(condition, pauses.WATCHING)
    return stopped or _paused(condition, pauses.STOPS_WATCHING) or Operation()


def publishing_of(condition: ServiceCondition) -> Operation:
    """Return whether files are sent."""
    problem = condition.held_up(pauses.PUBLISHING)
    if condition.works and problem and problem.kind is ProblemKind.DESTINATION_TOKEN_MISSING:
        state = ActivityState.WAITING_FOR_TOKEN
        return Operation(state, problem.sentence, problem=problem.kind)
    if stopped := _stopped(condition, pauses.PUBLISHING):
        return stopped
    if person := condition.persons_pause:
        reason = problem.sentence if problem else person.reason
        return Operation(ActivityState.PAUSED, reason, person.until, by=person.paused_by)
    return _paused(condition, pauses.STOPS_PUBLISHING) or Operation()


def _stopped(condition: ServiceCondition, name: str) -> Operation | None:
    """Return what stops it until a person acts: no worker, or another account."""
    problem = condition.held_up(name)
    if problem and (problem.vendor or not condition.works):
        return Operation(ActivityState.PAUSED, problem.sentence, problem=problem.kind)
    return None


def _paused(condition: ServiceCondition, names: tuple[str, ...]) -> Operation | None:
    for name in names:
        if pause := condition.pauses.get(name):
            return Operation(ActivityState.PAUSED, pause.reason, pause.until, name)
    return None
