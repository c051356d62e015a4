"""Surveys: requested, claimed, and advanced a step at a time."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, case, delete, exists, func, insert, or_, select, update

from gitpip.errors import SurveyNotFound
from gitpip.model import Page, UserKey
from gitpip.store import lease
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema import users
from gitpip.store.schema_surveys import (
    Step,
    SurveyKind,
    survey_activities,
    survey_deals,
    surveys,
)
from gitpip.store.visibility import tracked

ENDED_SURVEYS_KEPT = 5
"""The number of ended surveys of each kind that are kept."""
FAILURE_SHOWN = timedelta(days=7)
"""How long a failure is shown that no other survey followed."""
SURVEY_LEASE = timedelta(minutes=2)
"""Longer than any request to a vendor takes; it is renewed with each page."""


@dataclass(frozen=True)
class Survey:
    """A reading of a whole account. Times are UTC."""

    id: int
    kind: SurveyKind
    requested_at: datetime
    requested_by: str
    user_key: UserKey | None
    """The only user whose files are compared; None for all users."""
    login: str | None
    """The login of that user; None if the user is no longer tracked."""
    since: datetime | None
    """The time since when files were found that are compared; None for all files."""
    with_github: bool
    account_key: int | None
    step: Step
    cursor: str | None
    begun_at: datetime | None
    ended_at: datetime | None
    failure: str | None
    """The reason why it ended without a result."""
    waits_until: datetime | None
    """The time when it continues after it stopped at a limit."""
    waits_because: str | None
    deals: int
    activities: int
    """The number of activities of the account that were read, others' included."""
    unread: int
    """The number of entries of lists that could not be read."""
    tokens: int
    """The tokens spent of Pipedrive's daily budget, as far as its price list says."""
    github_lists: int
    """The number of users' lists of gists that were read."""
    failures: int
    """The number of failures since something was read."""
    restarts: int
    """The number of times a list had to be read again from the start."""
    put_off: tuple[str, ...]
    """The positions at which it continues with users that are read after all others."""
    token: str | None


_survey = reader(Survey)


@dataclass(frozen=True)
class SurveyScope:
    """The contents of a survey, as requested."""

    kind: SurveyKind
    user_key: UserKey | None = None
    since: datetime | None = None
    with_github: bool = True


def _selected() -> Any:
    login = case((tracked, users.c.login)).label("login")
    return select(surveys, login).outerjoin(users, users.c.key == surveys.c.user_key)


class Requested(NamedTuple):
    """The result of `request`: `new` is False if the same survey is under way already."""

    survey: Survey
    new: bool


async def request(
    transaction: Transaction, scope: SurveyScope, by: str, now: datetime
) -> Requested:
    """Request a survey; if the same one is under way, return that instead.

    Only the latest of the ended surveys are kept.
    """
    same = and_(
        surveys.c.ended_at.is_(None),
        surveys.c.kind == scope.kind,
        surveys.c.user_key.is_not_distinct_from(scope.user_key),
        surveys.c.since.is_not_distinct_from(scope.since),
        surveys.c.with_github == int(scope.with_github),
    )
    known = await transaction.scalar(select(surveys.c.id).where(same).limit(1))
    if known is not None:
        return Requested(await get(transaction, known), new=False)
    made = await transaction.execute(
        insert(surveys)
        .values(
            kind=scope.kind,
            requested_at=now,
            requested_by=by[:120],
            user_key=scope.user_key,
            since=scope.since,
            with_github=scope.with_github,
            step=Step.DEALS,
        )
        .returning(surveys.c.id)
    )
    number = made.scalar_one()
    await _forget_the_oldest(transaction, scope.kind)
    return Requested(await get(transaction, number), new=True)


async def _forget_the_oldest(transaction: Transaction, kind: SurveyKind) -> None:
    ended = and_(surveys.c.kind == kind, surveys.c.ended_at.is_not(None))
    kept = select(surveys.c.id).where(ended).order_by(surveys.c.id.desc()).limit(ENDED_SURVEYS_KEPT)
    latest = (await transaction.execute(kept)).scalars().all()
    await transaction.execute(delete(surveys).where(ended, surveys.c.id.not_in(latest)))


async def get(transaction: Transaction, number: int, kind: SurveyKind | None = None) -> Survey:
    """Return one survey, of this kind; raises SurveyNotFound."""
    wanted = surveys.c.id == number
    if kind is not None:
        wanted = and_(wanted, surveys.c.kind == kind)
    row = (await transaction.execute(_selected().where(wanted))).one_or_none()
    if row is None:
        raise SurveyNotFound(f"there is no {kind or 'survey'} {number}")
    return _survey(row)


async def latest(transaction: Transaction, kind: SurveyKind) -> Survey | None:
    """Return the survey of this kind that was requested last."""
    page = await listed(transaction, kind, offset=0, limit=1)
    return page.items[0] if page.items else None


async def listed(
    transaction: Transaction, kind: SurveyKind, *, offset: int, limit: int
) -> Page[Survey]:
    """Return a page of the surveys of a kind, newest first."""
    of_kind = surveys.c.kind == kind
    rows = await transaction.execute(
        _selected().where(of_kind).order_by(surveys.c.id.desc()).offset(offset).limit(limit)
    )
    total = await transaction.scalar(select(func.count()).select_from(surveys).where(of_kind))
    return Page(tuple(map(_survey, rows)), total or 0)


async def in_trouble(transaction: Transaction, now: datetime) -> tuple[Survey, ...]:
    """Return the surveys that wait, or failed with none of their kind requested since.

    The newest come first.
    """
    later = surveys.alias("later")
    answered = exists().where(
        later.c.kind == surveys.c.kind, later.c.requested_at >= surveys.c.ended_at
    )
    failed = and_(
        surveys.c.failure.is_not(None), surveys.c.ended_at > now - FAILURE_SHOWN, ~answered
    )
    waits = and_(
        surveys.c.ended_at.is_(None),
        or_(surveys.c.waits_because.is_not(None), surveys.c.failures > 0),
    )
    rows = await transaction.execute(
        _selected().where(or_(failed, waits)).order_by(surveys.c.id.desc())
    )
    return tuple(map(_survey, rows))


def _claimable(now: datetime) -> Any:
    return and_(
        surveys.c.ended_at.is_(None),
        or_(surveys.c.lease_until.is_(None), surveys.c.lease_until <= now),
        or_(surveys.c.waits_until.is_(None), surveys.c.waits_until <= now),
    )


async def any_due(transaction: Transaction, now: datetime) -> bool:
    """Return whether a survey waits to be advanced."""
    return bool(
        await transaction.scalar(select(select(surveys.c.id).where(_claimable(now)).exists()))
    )


async def claim(transaction: Transaction, now: datetime, only: int | None = None) -> Survey | None:
    """Claim the oldest survey that waits, or the one with the id `only`; None if none waits."""
    wanted = _claimable(now)
    if only is not None:
        wanted = and_(wanted, surveys.c.id == only)
    number = await transaction.scalar(
        select(surveys.c.id).where(wanted).order_by(surveys.c.id).limit(1).with_for_update()
    )
    if number is None:
        return None
    await transaction.execute(
        update(surveys)
        .where(surveys.c.id == number)
        .values(
            token=secrets.token_hex(8),
            lease_until=now + SURVEY_LEASE,
            waits_until=None,
            waits_because=None,
            begun_at=func.coalesce(surveys.c.begun_at, now),
        )
    )
    return await get(transaction, number)


async def note(
    transaction: Transaction, survey: Survey, now: datetime, *, spent: int = 0, **values: Any
) -> bool:
    """Write columns of a survey and renew its claim; return whether the claim was still valid.

    `spent` is the number of tokens spent since the last call.
    """
    written = await transaction.execute(
        update(surveys)
        .where(surveys.c.id == survey.id, surveys.c.token == survey.token)
        .values(lease_until=now + SURVEY_LEASE, tokens=surveys.c.tokens + spent, **values)
    )
    return bool(written.rowcount)


async def release(transaction: Transaction, survey: Survey, **values: Any) -> None:
    """Release the claim on a survey, if it is still valid."""
    await transaction.execute(
        update(surveys)
        .where(surveys.c.id == survey.id, surveys.c.token == survey.token)
        .values(**lease.NO_CLAIM, **values)
    )


async def forget_sightings(
    transaction: Transaction, survey_id: int, only: Step | None = None
) -> None:
    """Delete what was seen in the account, or `only` in the list of this step.

    It was needed for the comparison only.
    """
    tables = {Step.ACTIVITIES: survey_activities, Step.DEALS: survey_deals}
    for step, table in tables.items():
        if only in {None, step}:
            await transaction.execute(delete(table).where(table.c.survey_id == survey_id))


async def keep(
    transaction: Transaction, table: Any, key: str, rows: Sequence[dict[str, object]]
) -> None:
    """Store what a page showed; what is stored already stays as it is."""
    if not rows:
        return
    numbers = [row[key] for row in rows]
    known = await transaction.execute(
        select(table.c[key]).where(
            table.c.survey_id == rows[0]["survey_id"], table.c[key].in_(numbers)
        )
    )
    seen = set(known.scalars())
    fresh = {row[key]: row for row in rows if row[key] not in seen}
    if fresh:
        await transaction.execute(insert(table), list(fresh.values()))
