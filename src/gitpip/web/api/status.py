"""For those who keep it running: alive, ready, and how it is doing."""

from datetime import datetime
from typing import Literal

from gitpip.actions.try_now import try_now
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
from gitpip.status.reading import ServiceCondition, read_stops
from gitpip.status.summary import CountPublications, read_summary
from gitpip.store.database import Transaction
from gitpip.store.publications import publications
from gitpip.store.status.pauses import Pausable
from gitpip.version import VERSION
from gitpip.web.api.router import api_router
from gitpip.web.auth.roles import needs
from gitpip.web.context import AppContext, Context, CurrentActing

NotesAct = Literal["retry", "leave"]

unversioned = api_router("status", prefix="")
router = api_router("status")


@unversioned.get("/status")
@needs(Role.VIEWER)
async def status(context: Context) -> StatusBody:
    """Return the state of the service."""
    return await status_of(context)


@router.get("/status")
@needs(Role.VIEWER)
async def get_status(context: Context) -> StatusBody:
    """Return the state of the service."""
    return await status_of(context)


@router.post("/pauses/{name}/try")
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
    async with context.database.read() as transaction:
        summary = await read_summary(transaction, context.process, utc_now(), count)
    condition, freshness, lists = summary.condition, summary.freshness, summary.lists
    alive = context.scheduler_is_alive()
    return StatusBody(
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
        engine_is_alive=condition.works if alive is None else alive,
        last_checks=[CheckBody.of(check) for check in summary.last_checks],
    )


async def stops_of(transaction: Transaction, context: AppContext) -> ServiceCondition:
    """Only the problems that stop watching or publishing. It is cheap, however many files wait."""
    return await read_stops(transaction, context.process, utc_now())


def _seconds_since(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else (now - time).total_seconds()
