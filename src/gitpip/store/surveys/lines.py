"""The results of an audit, a line for each gist file, and their summary."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Select, and_, func, insert, or_, select

from gitpip.model import Page, UserKey
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema import users
from gitpip.store.schema_surveys import Verdict, survey_lines
from gitpip.store.visibility import tracked

LINES_READ_AT_ONCE = 500


@dataclass(frozen=True)
class NewLine:
    """The result of an audit for one gist file, or for an activity without one."""

    user_key: UserKey | None
    gist_id: str | None
    filename: str | None
    github: str
    stored: str
    pipedrive: str
    verdict: Verdict
    explanation: str | None = None
    detail: str | None = None
    activity_id: int | None = None
    deal_id: int | None = None
    revision: int = 1


@dataclass(frozen=True)
class AuditLine:
    """A stored line of an audit."""

    id: int
    login: str | None
    """None if an activity belongs to no tracked user."""
    gist_id: str | None
    filename: str | None
    revision: int
    github: str
    stored: str
    pipedrive: str
    activity_id: int | None
    deal_id: int | None
    verdict: Verdict
    explanation: str | None
    detail: str | None


_line = reader(AuditLine)


@dataclass(frozen=True)
class VerdictCount:
    """The number of lines with this verdict and explanation."""

    verdict: Verdict
    explanation: str | None
    lines: int


_verdict_count = reader(VerdictCount)


async def add(transaction: Transaction, survey_id: int, lines: Sequence[NewLine]) -> None:
    """Add lines to an audit."""
    if lines:
        rows = [asdict(line) | {"survey_id": survey_id} for line in lines]
        await transaction.execute(insert(survey_lines), rows)


def _shown(survey_id: int) -> Select[tuple[object, ...]]:
    # Lines of a user who was removed since are not shown.
    return (
        select(survey_lines, users.c.login)
        .outerjoin(users, users.c.key == survey_lines.c.user_key)
        .where(
            survey_lines.c.survey_id == survey_id,
            or_(survey_lines.c.user_key.is_(None), tracked),
        )
    )


async def page(
    transaction: Transaction,
    survey_id: int,
    *,
    verdict: Verdict | None = None,
    offset: int,
    limit: int,
) -> Page[AuditLine]:
    """Return a page of an audit's lines, in the order in which they were found."""
    wanted = _shown(survey_id)
    if verdict is not None:
        wanted = wanted.where(survey_lines.c.verdict == verdict)
    rows = await transaction.execute(wanted.order_by(survey_lines.c.id).offset(offset).limit(limit))
    total = await transaction.scalar(select(func.count()).select_from(wanted.subquery()))
    return Page(tuple(map(_line, rows)), total or 0)


async def some_after(transaction: Transaction, survey_id: int, after: int) -> tuple[AuditLine, ...]:
    """Return the next lines of an audit after one."""
    rows = await transaction.execute(
        _shown(survey_id)
        .where(survey_lines.c.id > after)
        .order_by(survey_lines.c.id)
        .limit(LINES_READ_AT_ONCE)
    )
    return tuple(map(_line, rows))


async def in_pages(transaction: Transaction, survey_id: int) -> AsyncIterator[Sequence[AuditLine]]:
    """Yield all lines of an audit, `LINES_READ_AT_ONCE` at once."""
    after = 0
    while some := await some_after(transaction, survey_id, after):
        yield some
        after = some[-1].id


async def summary(transaction: Transaction, survey_id: int) -> tuple[VerdictCount, ...]:
    """Return the number of lines for each verdict and explanation, the worst first."""
    shown = and_(
        survey_lines.c.survey_id == survey_id, or_(survey_lines.c.user_key.is_(None), tracked)
    )
    rows = await transaction.execute(
        select(
            survey_lines.c.verdict,
            survey_lines.c.explanation,
            func.count().label("lines"),
        )
        .select_from(survey_lines)
        .outerjoin(users, users.c.key == survey_lines.c.user_key)
        .where(shown)
        .group_by(survey_lines.c.verdict, survey_lines.c.explanation)
    )
    worst = {Verdict.UNEXPLAINED: 0, Verdict.EXPLAINED: 1, Verdict.SAME: 2}
    return tuple(
        sorted(map(_verdict_count, rows), key=lambda one: (worst[one.verdict], -one.lines))
    )
