"""For those who keep it running: alive, ready, and how it is doing."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel

from gitpip.actions.pauses import try_now
from gitpip.bodies.checks import CheckBody
from gitpip.bodies.noun import NounBody
from gitpip.clock import utc_now
from gitpip.model import PublicationState, Role, UserState
from gitpip.modes import PublishingMode
from gitpip.status import reading
from gitpip.status.problem import Act, Problem, ProblemKind, Severity
from gitpip.status.reading import Condition, read, read_stops
from gitpip.store.accounts.accounts import Vendor
from gitpip.store.database import Transaction
from gitpip.store.publications import publications
from gitpip.store.status import checks, lists_read, pauses
from gitpip.store.status.budgets import Budget, known_budgets
from gitpip.store.users import schedule, users
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import AppContext, Context, CurrentActing

VERSION = version("gitpip")
Pausable = Literal["watching", "sweeping", "reading", "publishing", "examining"]
"""The names of `pauses.PAUSABLE`."""
STOPS_WATCHING: tuple[Pausable, ...] = ("watching", "reading")
"""Those of `pauses.STOPS_WATCHING`."""
STOPS_PUBLISHING: tuple[Pausable, ...] = ("publishing", "examining")
"""Those of `pauses.STOPS_PUBLISHING`."""
NotesAct = Literal["retry", "leave"]
CountPublications = Callable[[Transaction], Awaitable[Mapping[PublicationState, int]]]

router = APIRouter(route_class=RoleRoute, tags=["status"], responses=PROBLEMS)
api_router = APIRouter(route_class=RoleRoute, prefix="/api/v1", tags=["status"], responses=PROBLEMS)


class ActivityBody(BaseModel):
    """Whether watching or publishing runs, and if not why, and until when (UTC)."""

    state: Literal["running", "paused", "waiting-for-token"]
    reason: str | None = None
    until: datetime | None = None
    pause: Pausable | None = None
    """The name of the pause, for `POST /api/v1/pauses/{name}/try`."""
    by: str | None = None
    """Who paused it, where a person did: `POST /api/v1/publishing/resume` ends that."""


class ProblemBody(NounBody[Problem]):
    """One thing that is wrong, or not done yet. Times are UTC."""

    kind: ProblemKind
    severity: Severity
    sentence: str
    """What happened, what it means, and what to do."""
    since: datetime | None
    count: int
    """How many users, files or parts have it."""
    act: Act | None
    """What helps; null if it passes without help."""
    pause: str | None
    """The name for `POST /api/v1/pauses/{name}/try`, where the problem is a pause."""
    vendor: Vendor | None
    """The name for `POST /api/v1/accounts/{vendor}/switch`, where an account was changed."""
    undo_id: int | None
    """The number for `POST /api/v1/undos/{undo_id}/resume`, where an undo stopped or failed."""


class TriedBody(BaseModel):
    """What became of a pause that somebody wanted to end."""

    name: Pausable
    ended: bool
    """False where there was no pause."""
    reason: str | None = None
    """Why nothing was ended, where nothing was: another pause can hold it up."""


class NotesBody(BaseModel):
    """How many notes an act was about."""

    notes: int


class FreshnessBody(BaseModel):
    """How long ago the active users were known completely, in seconds; null without any."""

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
    """How far the reading of every user's list by REST is, which backs up GraphQL's answers."""

    waiting: int
    """How many users' lists were not read within the last seven days."""
    oldest: datetime | None
    """When the list not read for the longest time was read, or its user added (UTC)."""
    a_day: int
    """How many are read in a day at the present pace, besides those of users with something new."""
    round: float | None
    """Seconds that a round over all users takes at that pace; null if none waits, or none is
    read."""


class BudgetBody(BaseModel):
    """What is left of one of the vendors' limits, as far as is known. Times are UTC."""

    name: str
    total: int
    remaining: int
    resets_at: datetime | None
    """Null where the vendor does not say when."""
    seen_at: datetime

    @classmethod
    def of(cls, budget: Budget, now: datetime) -> Self:
        """The body of a budget; one that was reset since it was heard of is whole again."""
        renewed = budget.resets_at is not None and budget.resets_at <= now
        return cls(
            name=budget.name,
            total=budget.total,
            remaining=budget.total if renewed else budget.remaining,
            resets_at=None if renewed else budget.resets_at,
            seen_at=budget.seen_at,
        )


class StatusBody(BaseModel):
    """How the service is doing. Times are UTC."""

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
    """No gist that was public before can have been missed; null while somebody is unread."""
    held_back_by: HeldBackBody | None
    """The user who holds that time back, if something is in the way."""
    freshness: FreshnessBody
    lists: ListsBody
    capacity: int
    """How many users GitHub's limits let be looked at in each check interval."""
    budgets: list[BudgetBody]
    running_services: int
    versions: list[str]
    """Of the instances that run; more than one during an upgrade."""
    engine_is_alive: bool
    """Here, or in another process where this one only shows."""
    last_checks: list[CheckBody]


@router.get("/status")
@needs(Role.VIEWER)
async def status(context: Context) -> StatusBody:
    """How the service is doing."""
    return await status_of(context)


@api_router.get("/status")
@needs(Role.VIEWER)
async def get_status(context: Context) -> StatusBody:
    """How the service is doing."""
    return await status_of(context)


@api_router.post("/pauses/{name}/try")
@needs(Role.OPERATOR)
async def try_pause_now(name: Pausable, acting: CurrentActing) -> TriedBody:
    """End a pause: one request is made, and it pauses again if that is refused.

    A pause during which GitHub asked to wait can't be ended (409).
    """
    tried = await try_now(acting, (name,))
    return TriedBody(name=name, ended=bool(tried.ended), reason=tried.reason)


async def status_of(
    context: AppContext, count: CountPublications = publications.count
) -> StatusBody:
    """Read the status from the store; `count` gives the numbers of publications."""
    now = utc_now()
    async with context.database.read() as transaction:
        condition = await read(transaction, context.surroundings, now)
        user_counts = await users.count(transaction)
        counts = await count(transaction)
        last_checks = await checks.page(transaction, offset=0, limit=5)
        next_due = await publications.next_due(transaction, condition.mode)
        freshness = await schedule.freshness(transaction)
        lists = await lists_read.lists(transaction, now)
        budgets = await known_budgets(transaction)
        capacity = await reading.capacity(transaction, context.surroundings, now)
    alive = context.scheduler_is_alive()
    return StatusBody(
        version=VERSION,
        sentence=condition.sentence,
        all_good=condition.all_good,
        problems=[ProblemBody.of(problem) for problem in condition.problems],
        users={state: user_counts.get(state, 0) for state in UserState},
        publications={state: counts.get(state, 0) for state in PublicationState},
        watching=_watching(condition),
        publishing=_publishing(condition),
        publishing_mode=condition.mode,
        next_publication_due=condition.publishing_due(next_due),
        nothing_missed_before=freshness.complete_until,
        held_back_by=(
            HeldBackBody(login=behind.login, reason=behind.reason)
            if (behind := condition.furthest_behind)
            else None
        ),
        freshness=FreshnessBody(
            unread=freshness.unread,
            p50=_seconds_since(freshness.median, now),
            p95=_seconds_since(freshness.most, now),
            max=_seconds_since(freshness.oldest, now),
        ),
        lists=ListsBody(
            waiting=lists.waiting,
            oldest=lists.oldest,
            a_day=round(lists.a_day),
            round=lists.round.total_seconds() if lists.round else None,
        ),
        capacity=capacity,
        budgets=[BudgetBody.of(budget, now) for budget in budgets],
        running_services=len(condition.instances),
        versions=sorted({one.version for one in condition.instances}),
        engine_is_alive=condition.works if alive is None else alive,
        last_checks=[CheckBody.of(check) for check in last_checks.items],
    )


async def stops_of(transaction: Transaction, context: AppContext) -> Condition:
    """Only what keeps watching or publishing from going on; cheap, whatever waits."""
    return await read_stops(transaction, context.surroundings, utc_now())


def _watching(condition: Condition) -> ActivityBody:
    if not condition.works:
        return _idle(condition)
    problem = condition.held_up(pauses.WATCHING)
    if problem and problem.vendor:
        return ActivityBody(state="paused", reason=problem.sentence)
    for name in STOPS_WATCHING:
        if pause := condition.pauses.get(name):
            return ActivityBody(state="paused", reason=pause.reason, until=pause.until, pause=name)
    return ActivityBody(state="running")


def _publishing(condition: Condition) -> ActivityBody:
    if not condition.works:
        return _idle(condition)
    problem = condition.held_up(pauses.PUBLISHING)
    if problem and problem.kind is ProblemKind.PIPEDRIVE_TOKEN_MISSING:
        return ActivityBody(state="waiting-for-token", reason=problem.sentence)
    if problem and problem.vendor:
        return ActivityBody(state="paused", reason=problem.sentence)
    if person := condition.persons_pause:
        return ActivityBody(
            state="paused",
            reason=problem.sentence if problem else person.reason,
            until=person.until,
            by=person.paused_by,
        )
    for name in STOPS_PUBLISHING:
        if pause := condition.pauses.get(name):
            return ActivityBody(state="paused", reason=pause.reason, until=pause.until, pause=name)
    return ActivityBody(state="running")


def _idle(condition: Condition) -> ActivityBody:
    problem = condition.held_up(pauses.WATCHING)
    return ActivityBody(state="paused", reason=problem.sentence if problem else None)


def _seconds_since(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else (now - time).total_seconds()
