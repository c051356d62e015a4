"""For those who keep it running: alive, ready, and how it is doing."""

from datetime import datetime
from importlib.metadata import version
from typing import Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from gitpip.clock import utc_now
from gitpip.model import Pause, PublicationState, UserState
from gitpip.show.bodies import PROBLEMS, CheckBody
from gitpip.show.setting import In, Setting
from gitpip.store import checks, gauges, operation, publications, schedule, users

VERSION = version("gitpip")

router = APIRouter(tags=["status"], responses=PROBLEMS)


class ActivityBody(BaseModel):
    """Whether watching or publishing runs, and if not why, and until when (UTC)."""

    state: Literal["running", "paused", "waiting-for-token"]
    reason: str | None = None
    until: datetime | None = None


class FreshnessBody(BaseModel):
    """How long ago the active users were known completely, in seconds; null without any."""

    unread: int
    """Users who were not looked at as a whole yet; they count in none of the others."""
    p50: float | None
    p95: float | None
    max: float | None


class BudgetBody(BaseModel):
    """What is left of one of the vendors' limits, as far as was heard. Times are UTC."""

    name: str
    total: int
    remaining: int
    resets_at: datetime | None
    """Null where the vendor does not say when."""
    seen_at: datetime

    @classmethod
    def of(cls, budget: gauges.Budget, now: datetime) -> Self:
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
    users: dict[UserState, int]
    publications: dict[PublicationState, int]
    watching: ActivityBody
    publishing: ActivityBody
    next_publication_due: datetime | None
    nothing_missed_before: datetime | None
    """No gist that was public before can have been missed; null while somebody is unread."""
    freshness: FreshnessBody
    capacity: int
    """How many users GitHub's limits let be looked at in each check interval."""
    budgets: list[BudgetBody]
    running_services: int
    versions: list[str]
    """Of the services that run; more than one during an upgrade."""
    engine_is_alive: bool
    """Here, or in another replica where this one only shows."""
    last_checks: list[CheckBody]


@router.get("/status")
async def status(setting: In) -> StatusBody:
    """How the service is doing."""
    return await status_of(setting)


async def status_of(setting: Setting) -> StatusBody:
    """Read the status from the store."""
    now = utc_now()
    async with setting.database.read() as transaction:
        user_counts = await users.count(transaction)
        counts = await publications.count(transaction)
        watching, publishing = await _activities(transaction, setting, now)
        last_checks = await checks.page(transaction, offset=0, limit=5)
        next_due = await publications.next_due(transaction)
        freshness = await schedule.freshness(transaction)
        services = await operation.running(transaction, now)
        budgets = await gauges.known_budgets(transaction)
    alive = setting.engine_is_alive()
    if alive is None:
        alive = any(service.works for service in services)
    return StatusBody(
        version=VERSION,
        sentence=_sentence(
            setting, watching, publishing, counts.get(PublicationState.FAILED, 0), freshness
        ),
        users={state: user_counts.get(state, 0) for state in UserState},
        publications={state: counts.get(state, 0) for state in PublicationState},
        watching=watching,
        publishing=publishing,
        next_publication_due=next_due,
        nothing_missed_before=freshness.complete_until,
        freshness=FreshnessBody(
            unread=freshness.unread,
            p50=_seconds_since(freshness.median, now),
            p95=_seconds_since(freshness.most, now),
            max=_seconds_since(freshness.oldest, now),
        ),
        capacity=setting.settings.capacity,
        budgets=[BudgetBody.of(budget, now) for budget in budgets],
        running_services=len(services),
        versions=sorted({service.version for service in services}),
        engine_is_alive=alive,
        last_checks=[CheckBody.of(check) for check in last_checks.items],
    )


async def sentence_of(transaction: AsyncConnection, setting: Setting) -> str:
    """How it is doing, in one sentence, without counting what it does not tell of."""
    watching, publishing = await _activities(transaction, setting, utc_now())
    failed = await publications.count_failed(transaction)
    known = await schedule.completeness(transaction)
    return _sentence(setting, watching, publishing, failed, known)


async def publishing_held_up(transaction: AsyncConnection, setting: Setting) -> str | None:
    """Why and until when nothing is published, in a sentence; None where it is."""
    _, publishing = await _activities(transaction, setting, utc_now())
    return None if publishing.state == "running" else _waits("Publishing", publishing)


async def _activities(
    transaction: AsyncConnection, setting: Setting, now: datetime
) -> tuple[ActivityBody, ActivityBody]:
    watching = _activity(await operation.watching_held_up(transaction, now))
    publishing = _activity(await operation.paused(transaction, operation.PUBLISHING, now))
    if setting.settings.pipedrive_token is None:
        publishing = ActivityBody(
            state="waiting-for-token",
            reason="PIPEDRIVE_TOKEN is not set; gists are found and kept until it is",
        )
    if setting.engine_is_alive() is None and not await _anybody_works(transaction, now):
        idle = ActivityBody(
            state="paused",
            reason="no process that watches and publishes is running; start gitpip serve",
        )
        return idle, idle
    return watching, publishing


async def _anybody_works(transaction: AsyncConnection, now: datetime) -> bool:
    return any(service.works for service in await operation.running(transaction, now))


def _activity(pause: Pause | None) -> ActivityBody:
    if pause is None:
        return ActivityBody(state="running")
    return ActivityBody(state="paused", reason=pause.reason, until=pause.until)


def _waits(name: str, activity: ActivityBody) -> str:
    until = f" until {activity.until:%H:%M} UTC" if activity.until else ""
    return f"{name} waits{until}: {activity.reason}."


def _sentence(
    setting: Setting,
    watching: ActivityBody,
    publishing: ActivityBody,
    failed: int,
    freshness: schedule.Freshness | schedule.Completeness,
) -> str:
    said = _said(watching, publishing, failed, freshness, setting.settings.capacity)
    return " ".join([said, *(f"{fault}." for fault in setting.credentials.faults)])


def _said(
    watching: ActivityBody,
    publishing: ActivityBody,
    failed: int,
    freshness: schedule.Freshness | schedule.Completeness,
    capacity: int,
) -> str:
    for name, activity in (("Watching", watching), ("Publishing", publishing)):
        if activity.state != "running":
            return _waits(name, activity)
    if failed:
        what = "1 publication was" if failed == 1 else f"{failed} publications were"
        return f"{what} refused by Pipedrive: see Publications, and retry or skip."
    if freshness.users == 0:
        return "Nobody is tracked yet."
    if freshness.users > capacity:
        return (
            f"{freshness.users} users are more than the {capacity} that GitHub's limits let be "
            "looked at in time; set GITHUB_TOKEN, or a longer GITPIP_CHECK_INTERVAL."
        )
    if freshness.complete_until is None:
        return f"{freshness.unread} of {freshness.users} users were not looked at as a whole yet."
    return (
        f"All good: nothing before {freshness.complete_until:%Y-%m-%d %H:%M} UTC can have been "
        "missed."
    )


def _seconds_since(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else (now - time).total_seconds()
