"""Activities of other tools for the same gists: the files that they fit, and adopting them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import and_, case, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from gitpip.model import DealId, GistId, Page, PublicationId, PublicationState, User, UserKey
from gitpip.store import events, lease
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.publications.deals import adopt_deal
from gitpip.store.rows import ROWS_PER_STATEMENT, in_pieces, reader
from gitpip.store.schema import gist_files, gists, publications, users
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_surveys import (
    Confidence,
    adopted_from_others,
    other_activities,
    survey_deals,
)
from gitpip.store.users.user_rows import rows as user_rows
from gitpip.store.users.user_rows import user_of
from gitpip.store.visibility import tracked

OF_GITHUB_COM = frozenset({"gist.github.com", "gist.githubusercontent.com", "api.github.com"})
COMPARED_CHARACTERS = 120_000
"""The number of characters of a content that are compared: a note holds 100 KB at most."""

nothing_sent = and_(
    publications.c.part_of.is_(None),
    or_(
        publications.c.state.in_(
            [
                PublicationState.HELD.value,
                PublicationState.FAILED.value,
                PublicationState.SKIPPED.value,
            ]
        ),
        and_(
            publications.c.state == PublicationState.PENDING.value, publications.c.sent_at.is_(None)
        ),
    ),
)
"""The condition that nothing of ours is in Pipedrive or being sent, so another's can be adopted."""


@dataclass(frozen=True)
class MatchCandidate:
    """A gist file that an activity of another tool may be of."""

    publication_id: int
    user_key: UserKey
    login: str
    gist_id: str
    filename: str
    description: str | None
    content: str | None
    html_url: str
    raw_url: str
    created_at: datetime
    """The time when its gist was created."""
    adoptable: bool
    """Whether nothing of ours was sent for it."""

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts at which GitHub shows this gist."""
        hosts = {urlsplit(address).hostname or "" for address in (self.html_url, self.raw_url)}
        return frozenset(hosts | (OF_GITHUB_COM if hosts & OF_GITHUB_COM else set())) - {""}


_candidate = reader(MatchCandidate)


@dataclass(frozen=True)
class OtherToolMatch:
    """An activity of another tool, and the gist file that it fits."""

    activity_id: int
    login: str | None
    gist_id: str | None
    filename: str | None
    publication_id: int | None
    deal_id: int | None
    confidence: Confidence
    because: str
    adopted: bool


_match = reader(OtherToolMatch)
ORDER = (Confidence.CERTAIN, Confidence.LIKELY, Confidence.POSSIBLE)
"""The confidences that can be adopted, the surest first."""


def _candidates() -> Any:
    return (
        select(
            publications.c.id.label("publication_id"),
            publications.c.user_key,
            users.c.login,
            gist_files.c.gist_id,
            gist_files.c.filename,
            gists.c.description,
            func.substr(gist_files.c.content, 1, COMPARED_CHARACTERS).label("content"),
            gists.c.html_url,
            gist_files.c.raw_url,
            gists.c.created_at,
            case((nothing_sent, 1), else_=0).label("adoptable"),
        )
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .join(users, users.c.key == publications.c.user_key)
        .where(publications.c.revision == 1, tracked)
    )


async def files_of_gists(
    transaction: Transaction, gist_ids: Collection[str]
) -> dict[str, list[MatchCandidate]]:
    """Return the files of these gists, by gist."""
    found: defaultdict[str, list[MatchCandidate]] = defaultdict(list)
    for some in in_pieces(sorted(gist_ids)):
        for row in await transaction.execute(_candidates().where(gist_files.c.gist_id.in_(some))):
            found[row.gist_id].append(_candidate(row))
    return found


async def files_named(
    transaction: Transaction, wanted: Collection[tuple[UserKey, str]]
) -> dict[tuple[UserKey, str], list[MatchCandidate]]:
    """Return the files of these users with these names."""
    found: defaultdict[tuple[UserKey, str], list[MatchCandidate]] = defaultdict(list)
    by_user: defaultdict[UserKey, set[str]] = defaultdict(set)
    for user_key, filename in wanted:
        by_user[user_key].add(filename)
    for user_key, names in by_user.items():
        for some in in_pieces(sorted(names)):
            named = and_(gist_files.c.user_key == user_key, gist_files.c.filename.in_(some))
            for row in await transaction.execute(_candidates().where(named)):
                found[user_key, row.filename].append(_candidate(row))
    return found


async def deal_owners(
    transaction: Transaction, survey_id: int, deal_ids: Collection[int]
) -> dict[int, UserKey]:
    """Return the owner of each of these deals, as the survey saw it."""
    rows = await transaction.execute(
        select(survey_deals.c.deal_id, survey_deals.c.user_key).where(
            survey_deals.c.survey_id == survey_id, survey_deals.c.deal_id.in_(list(deal_ids))
        )
    )
    return {deal_id: UserKey(user_key) for deal_id, user_key in rows}


async def next_user(transaction: Transaction, *, after: int, only: UserKey | None) -> User | None:
    """Return the tracked user with the next key; if `only` is given, only that user."""
    wanted = user_rows().where(tracked, users.c.key > after).order_by(users.c.key).limit(1)
    if only is not None:
        wanted = wanted.where(users.c.key == only)
    row = (await transaction.execute(wanted)).one_or_none()
    return user_of(row) if row else None


async def stored_files(
    transaction: Transaction, gist_ids: Sequence[str]
) -> frozenset[tuple[str, str]]:
    """Return the stored files of these gists, by gist and name."""
    rows = await transaction.execute(
        select(gist_files.c.gist_id, gist_files.c.filename).where(
            gist_files.c.gist_id.in_(list(gist_ids))
        )
    )
    return frozenset((gist_id, filename) for gist_id, filename in rows)


@dataclass(frozen=True)
class OneOfSeveral:
    """An activity that fits several files of a user, which have one name and one content."""

    activity_id: int
    publication_id: int
    """The publication of one of these files."""
    user_key: UserKey
    filename: str


_one_of_several = reader(OneOfSeveral)


async def fitting_several(transaction: Transaction, survey_id: int) -> list[OneOfSeveral]:
    """Return the activities that fit several files of one content, oldest first.

    Call it before `settle`.
    """
    of = other_activities.c
    rows = await transaction.execute(
        select(of.activity_id, of.publication_id, publications.c.user_key, gist_files.c.filename)
        .join(publications, publications.c.id == of.publication_id)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .where(of.survey_id == survey_id, of.confidence == Confidence.AMBIGUOUS)
        .order_by(of.added_at, of.activity_id)
    )
    return list(map(_one_of_several, rows))


async def fitting_one(transaction: Transaction, survey_id: int) -> frozenset[int]:
    """Return the publications of files fitted by an activity that fits no other file."""
    of = other_activities.c
    found = await transaction.scalars(
        select(of.publication_id).where(
            of.survey_id == survey_id,
            of.publication_id.is_not(None),
            of.confidence != Confidence.AMBIGUOUS,
        )
    )
    return frozenset(found)


async def choose(
    transaction: Transaction,
    survey_id: int,
    activity_id: int,
    publication_id: int,
    *,
    confidence: Confidence,
    because: str,
) -> None:
    """Record which one of several fitting files an activity belongs to."""
    await transaction.execute(
        update(other_activities)
        .where(
            other_activities.c.survey_id == survey_id,
            other_activities.c.activity_id == activity_id,
        )
        .values(publication_id=publication_id, confidence=confidence, because=because)
    )


async def settle(transaction: Transaction, survey_id: int) -> None:
    """Keep the oldest certain activity, or none, if several fit one file."""
    of_survey = other_activities.c.survey_id == survey_id
    doubled = (
        select(other_activities.c.publication_id)
        .where(of_survey, other_activities.c.publication_id.is_not(None))
        .group_by(other_activities.c.publication_id)
        .having(func.count() > 1)
    )
    rows = await transaction.execute(
        select(
            other_activities.c.activity_id,
            other_activities.c.publication_id,
            other_activities.c.confidence,
        )
        .where(of_survey, other_activities.c.publication_id.in_(doubled))
        .order_by(other_activities.c.publication_id, other_activities.c.activity_id)
    )
    kept: dict[int, int] = {}
    others: list[tuple[int, int]] = []
    for row in rows:
        if row.confidence is Confidence.CERTAIN and row.publication_id not in kept:
            kept[row.publication_id] = row.activity_id
        else:
            others.append((row.activity_id, row.publication_id))
    for activity_id, publication_id in others:
        first = kept.get(publication_id)
        why = (
            "more than one activity fits the file, and none is certain"
            if first is None
            else f"activity {first} is the file's, and this one is a second one"
        )
        await transaction.execute(
            update(other_activities)
            .where(of_survey, other_activities.c.activity_id == activity_id)
            .values(confidence=Confidence.AMBIGUOUS, because=why)
        )


def _matches(survey_id: int) -> Any:
    adopted = exists().where(adopted_from_others.c.activity_id == other_activities.c.activity_id)
    return (
        select(
            other_activities,
            users.c.login,
            gist_files.c.gist_id,
            gist_files.c.filename,
            case((adopted, 1), else_=0).label("adopted"),
        )
        .outerjoin(publications, publications.c.id == other_activities.c.publication_id)
        .outerjoin(gist_files, gist_files.c.key == publications.c.file_key)
        .outerjoin(users, users.c.key == other_activities.c.user_key)
        .where(
            other_activities.c.survey_id == survey_id,
            or_(other_activities.c.user_key.is_(None), tracked),
        )
    )


async def page(
    transaction: Transaction, survey_id: int, *, offset: int, limit: int
) -> Page[OtherToolMatch]:
    """Return a page of the matches, the surest first."""
    wanted = _matches(survey_id)
    order = case(
        {one.value: number for number, one in enumerate(ORDER)},
        value=other_activities.c.confidence,
        else_=len(ORDER),
    )
    rows = await transaction.execute(
        wanted.order_by(order, other_activities.c.activity_id).offset(offset).limit(limit)
    )
    total = await transaction.scalar(select(func.count()).select_from(wanted.subquery()))
    return Page(tuple(map(_match, rows)), total or 0)


async def counts(transaction: Transaction, survey_id: int) -> dict[Confidence, int]:
    """Return how many activities were found of each confidence."""
    wanted = _matches(survey_id).subquery()
    rows = await transaction.execute(
        select(wanted.c.confidence, func.count()).group_by(wanted.c.confidence)
    )
    found = {Confidence(confidence): number for confidence, number in rows}
    return {confidence: found.get(confidence, 0) for confidence in Confidence}


async def adopt(transaction: Transaction, survey_id: int, least: Confidence, now: datetime) -> int:
    """Mark publications as published by the activities that fit them; return their number.

    Only activities of at least this confidence, and files for which nothing was sent. Lock the
    ledger first.
    """
    allowed = ORDER[: ORDER.index(least) + 1]
    taken = publications.alias("taken")
    adopted, after = 0, 0
    while True:
        rows = (
            await transaction.execute(
                select(
                    other_activities,
                    gist_files.c.gist_id,
                    gist_files.c.filename,
                )
                .join(publications, publications.c.id == other_activities.c.publication_id)
                .join(gist_files, gist_files.c.key == publications.c.file_key)
                .join(users, users.c.key == publications.c.user_key)
                .where(
                    other_activities.c.survey_id == survey_id,
                    other_activities.c.confidence.in_([one.value for one in allowed]),
                    other_activities.c.publication_id > after,
                    nothing_sent,
                    tracked,
                    ~exists().where(taken.c.activity_id == other_activities.c.activity_id),
                )
                .order_by(other_activities.c.publication_id)
                .limit(ROWS_PER_STATEMENT)
                .with_for_update(of=publications)
            )
        ).all()
        if not rows:
            return adopted
        adopted += await _adopt_some(transaction, rows, now)
        after = rows[-1].publication_id


async def _adopt_some(transaction: Transaction, rows: Sequence[Any], now: datetime) -> int:
    deals_of: defaultdict[UserKey, Counter[DealId]] = defaultdict(Counter)
    happened: list[NewEvent] = []
    for row in rows:
        try:
            async with transaction.begin_nested():
                await _adopt_one(transaction, row, now)
        except IntegrityError:
            continue  # one that the database refuses keeps no other from being adopted
        user_key = UserKey(row.user_key)
        number = PublicationId(row.publication_id)
        gist_id = GistId(row.gist_id)
        happened.append(
            NewEvent(EventKind.PUBLICATION_PUBLISHED, user_key, gist_id, number, row.filename)
        )
        if row.deal_agrees and row.deal_id is not None:
            deals_of[user_key][DealId(row.deal_id)] += 1
    for user_key, counted in sorted(deals_of.items()):
        await adopt_deal(transaction, user_key, counted, now)
    await events.record(transaction, now, *happened)
    return len(happened)


async def _adopt_one(transaction: Transaction, row: Any, now: datetime) -> None:
    await transaction.execute(
        update(publications)
        .where(publications.c.id == row.publication_id, nothing_sent)
        .values(
            state=PublicationState.PUBLISHED.value,
            refused_at=None,
            activity_id=row.activity_id,
            deal_id=row.deal_id,
            published_at=row.added_at or now,
            due_at=now,
            reason=None,
            # A process that has claimed it finds neither state nor token, and sends nothing.
            **lease.NO_CLAIM,
            activity_lost_at=None,
        )
    )
    await transaction.execute(
        insert(adopted_from_others).values(
            publication_id=row.publication_id,
            activity_id=row.activity_id,
            confidence=row.confidence,
            because=row.because,
            adopted_at=now,
        )
    )
