"""For those who keep it running: alive, ready, and how it is doing."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter

from gitpip.actions.pauses import try_now
from gitpip.bodies.checks import CheckBody
from gitpip.bodies.status import (
    ActivityBody,
    BudgetBody,
    FreshnessBody,
    HeldBackBody,
    ListsBody,
    ProblemBody,
    StatusBody,
    TriedBody,
)
from gitpip.clock import utc_now
from gitpip.model import PublicationState, Role, UserState
from gitpip.status import reading
from gitpip.status.problem import ProblemKind
from gitpip.status.reading import Condition, read, read_stops
from gitpip.store.database import Transaction
from gitpip.store.publications import publications
from gitpip.store.status import checks, lists_read, pauses
from gitpip.store.status.budgets import known_budgets
from gitpip.store.status.pauses import STOPS_PUBLISHING, STOPS_WATCHING, Pausable
from gitpip.store.users import schedule, users
from gitpip.web.api.problems import PROBLEMS
from gitpip.web.auth.roles import RoleRoute, needs
from gitpip.web.context import AppContext, Context, CurrentActing

VERSION = version("gitpip")
NotesAct = Literal["retry", "leave"]
CountPublications = Callable[[Transaction], Awaitable[Mapping[PublicationState, int]]]

router = APIRouter(route_class=RoleRoute, tags=["status"], responses=PROBLEMS)
api_router = APIRouter(route_class=RoleRoute, prefix="/api/v1", tags=["status"], responses=PROBLEMS)


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
