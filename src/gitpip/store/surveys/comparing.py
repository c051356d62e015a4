"""The data that a survey compares: files with publications, and what Pipedrive showed of them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from gitpip.model import PublicationState, UserKey
from gitpip.modes import HeldBecause
from gitpip.store.database import Transaction
from gitpip.store.rows import in_pieces, reader
from gitpip.store.schema import deals, gist_files, gists, publications, users
from gitpip.store.schema_accounts import ledger, markers
from gitpip.store.schema_publishing import earlier_activities, second_sends
from gitpip.store.schema_surveys import adopted_from_others, survey_activities, survey_deals
from gitpip.store.schema_undo import UndoneState, undone
from gitpip.store.surveys.surveys import Survey
from gitpip.store.visibility import of_removed, tracked

COMPARED_AT_ONCE = 500


@dataclass(frozen=True)
class ComparedFile:
    """A gist file with one of its publications, as stored. Times are UTC."""

    file_key: int
    gist_id: str
    filename: str
    blob_hash: str
    found_at: datetime
    removed_at: datetime | None
    """The time when the file, or its gist, was found to be removed from GitHub."""
    id: int | None
    """The id of the publication; None if the file has none."""
    revision: int | None
    state: PublicationState | None
    marker: str | None
    activity_id: int | None
    deal_id: int | None
    reason: str | None
    published_at: datetime | None
    queued_at: datetime | None
    held_because: HeldBecause | None
    activity_lost_at: datetime | None
    due_at: datetime | None
    part_of: int | None
    """The publication whose activity holds this file, too."""


_known = reader(ComparedFile)


@dataclass(frozen=True)
class SurveySighting:
    """An activity of ours as the survey saw it."""

    activity_id: int
    marker: str | None
    deal_id: int | None
    edited: bool
    """Whether its subject or its note no longer has our marker."""


_sighting = reader(SurveySighting)


@dataclass(frozen=True)
class Around:
    """The data that explains differences of some publications."""

    by_activity: Mapping[int, SurveySighting]
    by_marker: Mapping[str, Sequence[SurveySighting]]
    deals_there: frozenset[int]
    """The deals among these that Pipedrive lists."""
    deal_of_user: int | None
    acknowledged: frozenset[int]
    """Activities that a person acknowledged as copies."""
    looked_at_again: frozenset[int]
    """Publications that were sent twice, and are searched for an hour."""
    from_others: frozenset[int]
    """Publications whose activity another tool made."""
    kept_by_undos: frozenset[int]
    """Publications whose activity an undo kept, as a person had changed it."""
    missing_known_before: datetime | None
    """The time before which a published file that is missing counts as acknowledged."""


async def files(
    transaction: Transaction, survey: Survey, user_key: UserKey, after: tuple[int, int]
) -> tuple[ComparedFile, ...]:
    """Return the next files of a user with their publications.

    `after` is the key of a file and the id of a publication.
    """
    file_key, publication_id = after
    wanted = [
        gist_files.c.user_key == user_key,
        or_(
            gist_files.c.key > file_key,
            and_(gist_files.c.key == file_key, publications.c.id > publication_id),
        ),
    ]
    if survey.since is not None:
        wanted.append(gist_files.c.found_at >= survey.since)
        published = publications.c.published_at
        wanted.append(or_(published.is_(None), published >= survey.since))
    rows = await transaction.execute(
        select(
            gist_files.c.key.label("file_key"),
            gist_files.c.gist_id,
            gist_files.c.filename,
            gist_files.c.blob_hash,
            gist_files.c.found_at,
            gist_files.c.removed_at,
            *(publications.c[name] for name in PUBLICATION),
        )
        .join(gists, gists.c.id == gist_files.c.gist_id)
        .outerjoin(publications, publications.c.file_key == gist_files.c.key)
        .where(*wanted)
        .order_by(gist_files.c.key, publications.c.id)
        .limit(COMPARED_AT_ONCE)
    )
    return tuple(map(_known, rows))


PUBLICATION = (
    *("id", "revision", "state", "marker", "activity_id", "deal_id", "reason"),
    *("published_at", "queued_at", "held_because", "activity_lost_at", "due_at", "part_of"),
)


async def around(
    transaction: Transaction, survey: Survey, user_key: UserKey, some: Sequence[ComparedFile]
) -> Around:
    """Return what Pipedrive showed of these publications, and what else is known of them."""
    ids = {one.id for one in some if one.id is not None}
    activities = {one.activity_id for one in some if one.activity_id is not None}
    wanted = {one.marker for one in some if one.marker is not None}
    of_survey = survey_activities.c.survey_id == survey.id
    rows = await transaction.execute(
        select(survey_activities).where(
            of_survey,
            or_(
                survey_activities.c.activity_id.in_(activities),
                survey_activities.c.marker.in_(wanted),
            ),
        )
    )
    seen = tuple(map(_sighting, rows))
    by_marker: defaultdict[str, list[SurveySighting]] = defaultdict(list)
    for one in seen:
        if one.marker is not None:
            by_marker[one.marker].append(one)
    deal_of_user = await transaction.scalar(
        select(deals.c.deal_id).where(deals.c.user_key == user_key)
    )
    named = {one.deal_id for one in some} | {one.deal_id for one in seen} | {deal_of_user}
    return Around(
        by_activity={one.activity_id: one for one in seen},
        by_marker=by_marker,
        deals_there=await _among(
            transaction,
            survey_deals.c.deal_id,
            survey_deals.c.deal_id.in_([number for number in named if number is not None]),
            survey_deals.c.survey_id == survey.id,
        ),
        deal_of_user=deal_of_user,
        acknowledged=await _among(
            transaction,
            markers.c.activity_id,
            markers.c.account_key == survey.account_key,
            markers.c.acknowledged_at.is_not(None),
            markers.c.activity_id.in_([one.activity_id for one in seen]),
        ),
        looked_at_again=await _among(
            transaction,
            second_sends.c.publication_id,
            second_sends.c.publication_id.in_(ids),
        ),
        from_others=await _among(
            transaction,
            adopted_from_others.c.publication_id,
            adopted_from_others.c.publication_id.in_(ids),
            # It may have been sent again since, by gitpip.
            adopted_from_others.c.activity_id.in_(activities),
        ),
        kept_by_undos=await _kept_by_undos(transaction, ids, activities),
        missing_known_before=await transaction.scalar(select(ledger.c.acknowledged_at)),
    )


async def _kept_by_undos(
    transaction: Transaction, ids: Collection[int], activities: Collection[int]
) -> frozenset[int]:
    return await _among(
        transaction,
        undone.c.publication_id,
        undone.c.publication_id.in_(ids),
        undone.c.activity_id.in_(activities),
        undone.c.state == UndoneState.KEPT,
    )


async def _among(transaction: Transaction, column: Any, *wanted: Any) -> frozenset[int]:
    return frozenset((await transaction.execute(select(column).where(*wanted))).scalars())


async def ours(transaction: Transaction, activity_ids: Collection[int]) -> frozenset[int]:
    """Return those of these activities that publications have."""
    found: set[int] = set()
    for some in in_pieces(sorted(activity_ids)):
        found |= await _among(
            transaction, publications.c.activity_id, publications.c.activity_id.in_(some)
        )
    return frozenset(found)


async def deal_users(
    transaction: Transaction, named: Mapping[int, str]
) -> Mapping[int, tuple[UserKey, ...]]:
    """Return the tracked users of these deals, by stored rows, or by the login as the title."""
    owners: dict[int, tuple[UserKey, ...]] = {}
    rows = await transaction.execute(
        select(deals.c.deal_id, deals.c.user_key).where(deals.c.deal_id.in_(list(named)))
    )
    for deal_id, user_key in rows:
        owners[deal_id] = (*owners.get(deal_id, ()), user_key)
    titles = {title.strip().lower() for title in named.values()}
    by_login = await keys_of_logins(transaction, titles)
    for deal_id, title in named.items():
        user_key = by_login.get(title.strip().lower())
        if user_key is not None and deal_id not in owners:
            owners[deal_id] = (user_key,)
    published = await transaction.execute(
        select(publications.c.deal_id, publications.c.user_key)
        .where(publications.c.deal_id.in_([one for one in named if one not in owners]))
        .distinct()
    )
    for deal_id, user_key in published:
        owners[deal_id] = (*owners.get(deal_id, ()), user_key)
    return owners


async def keys_of_logins(transaction: Transaction, logins: Collection[str]) -> dict[str, UserKey]:
    """Return the tracked users with these logins, which are in lower case."""
    found: dict[str, UserKey] = {}
    for some in in_pieces(sorted(logins)):
        rows = await transaction.execute(
            select(func.lower(users.c.login), users.c.key).where(
                func.lower(users.c.login).in_(some), tracked
            )
        )
        found.update((login, UserKey(key)) for login, key in rows)
    return found


@dataclass(frozen=True)
class Stranger:
    """An activity with our marker that belongs to no publication of a tracked user."""

    seen: SurveySighting
    removed: bool
    """Whether its publication is that of a removed user."""
    acknowledged: bool
    """Whether a person acknowledged it."""
    sent_again: bool
    """Whether its publication has another activity, since a person had it sent again."""
    doubles_earlier: bool
    """Whether an earlier activity of a publication that was sent again has the same marker."""


_stranger = reader(Stranger, besides=("seen",))


def _was_sent_again(survey: Survey) -> ColumnElement[bool]:
    """Return the condition that the publication of an activity was sent again after it."""
    # A further activity with this marker is a double of the one that is remembered.
    is_remembered = exists().where(
        earlier_activities.c.publication_id == publications.c.id,
        earlier_activities.c.marker == survey_activities.c.marker,
        earlier_activities.c.account_key == survey.account_key,
    )
    return or_(
        exists().where(
            earlier_activities.c.activity_id == survey_activities.c.activity_id,
            earlier_activities.c.account_key == survey.account_key,
        ),
        # These activities are ones that this database has lost, or does not know.
        exists().where(
            markers.c.account_key == survey.account_key,
            markers.c.activity_id == survey_activities.c.activity_id,
            markers.c.first_marker.is_not(None),
            markers.c.first_marker == publications.c.marker,
        ),
        exists().where(publications.c.first_marker == survey_activities.c.marker, ~is_remembered),
    ).label("sent_again")


async def strangers(transaction: Transaction, survey: Survey, after: int) -> tuple[Stranger, ...]:
    """Return the strangers after an activity's id, at most `COMPARED_AT_ONCE`."""
    same = or_(
        publications.c.marker == survey_activities.c.marker,
        publications.c.activity_id == survey_activities.c.activity_id,
    )
    known = exists().where(same, ~of_removed(publications.c.user_key))
    removed = exists().where(same, of_removed(publications.c.user_key)).label("removed")
    of_survey = markers.c.account_key == survey.account_key
    doubled = exists().where(
        earlier_activities.c.marker == survey_activities.c.marker,
        earlier_activities.c.account_key == survey.account_key,
    )
    acknowledged = (
        exists()
        .where(
            of_survey,
            markers.c.activity_id == survey_activities.c.activity_id,
            markers.c.acknowledged_at.is_not(None),
        )
        .label("acknowledged")
    )
    rows = await transaction.execute(
        select(
            survey_activities,
            removed,
            acknowledged,
            _was_sent_again(survey),
            doubled.label("doubles_earlier"),
        )
        .where(
            survey_activities.c.survey_id == survey.id,
            survey_activities.c.activity_id > after,
            ~known,
        )
        .order_by(survey_activities.c.activity_id)
        .limit(COMPARED_AT_ONCE)
    )
    return tuple(_stranger(row, seen=_sighting(row)) for row in rows)
