"""Publications: the ledger of everything that is, may be, or will be in the CRM."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, insert, or_, select, update

from gitpip.errors import PublicationNotFound, PublicationStateError
from gitpip.model import (
    CheckId,
    FileKey,
    GistId,
    OnEdit,
    Page,
    Publication,
    PublicationId,
    PublicationState,
    UserKey,
)
from gitpip.modes import FoundCredentials, HeldBecause, PublishingMode
from gitpip.store import events, lease, ledger
from gitpip.store.accounts import accounts
from gitpip.store.database import Transaction
from gitpip.store.events import NewEvent
from gitpip.store.locking import in_order
from gitpip.store.publications import (
    approvals,
    deals,
    markers,
    note_updates,
    parts,
    recognition,
    sent_again,
    undone,
)
from gitpip.store.publications.being_undone import being_undone
from gitpip.store.publications.permission import check_not_opted_out, may_be_sent_to
from gitpip.store.publications.publication_rows import (
    explained_in,
    kinds_in,
    newest_of,
    publication_of,
    selected,
    shown_in,
)
from gitpip.store.publications.recognition import Recognised, WantedContent
from gitpip.store.publications.selection import EVERYTHING, PublicationFilter
from gitpip.store.publications.state_words import why_not_moved
from gitpip.store.schema import publications, users
from gitpip.store.schema_accounts import Vendor
from gitpip.store.schema_events import EventKind
from gitpip.store.schema_publishing import holder
from gitpip.store.visibility import of_removed, of_tracked, tracked

WAITING = (
    PublicationState.PENDING.value,
    PublicationState.SENDING.value,
    PublicationState.UNCERTAIN.value,
)
SKIPPED_BY_A_PERSON = "skipped by a person"

DELETED_WHILE_HELD = "deleted or made secret while it was held"
HELD_AGAIN = "GitHub shows it again, after it was deleted or secret while it was held"
DELETED_BEFORE_SENT = "deleted or made secret before it was sent"
EVENT_OF_RETURN = {
    PublicationState.PENDING: EventKind.PUBLICATIONS_QUEUED,
    PublicationState.HELD: EventKind.PUBLICATIONS_HELD,
}


@dataclass(frozen=True)
class NewPublication:
    """A new publication: pending, or skipped or held for a reason."""

    file_key: FileKey
    gist_id: GistId
    filename: str
    blob_hash: str = ""
    revision: int = 1
    times: int = 0
    """The number of earlier times at which the file had the same content."""
    skipped_because: str | None = None
    held_because: str | None = None
    backfill: bool = False
    """Whether it is from before the user was added: then it is sent after fresh ones."""

    @property
    def wanted(self) -> WantedContent:
        """The content to publish."""
        return WantedContent(self.gist_id, self.filename, self.revision, self.blob_hash, self.times)


async def add(
    transaction: Transaction,
    user_key: UserKey,
    new: Sequence[NewPublication],
    now: datetime,
    *,
    on_edit: OnEdit = OnEdit.IGNORE,
    check_id: CheckId | None = None,
) -> None:
    """Add the publications of files in the transaction in which the check `check_id` stores them.

    Those whose activity was seen in Pipedrive before are published already; if edits count
    (`on_edit`), only with this content.
    """
    if not new:
        return
    await ledger.share(transaction)
    account = await accounts.bound(transaction, Vendor.DESTINATION)
    wanted = [publication.wanted for publication in new]
    key = account.key if account else accounts.NO_KEY
    found = await recognition.claim(transaction, key, wanted, on_edit)
    await transaction.execute(
        insert(publications),
        [
            {
                "file_key": publication.file_key,
                "user_key": user_key,
                "revision": publication.revision,
                "marker": one.marker,
                "first_marker": one.first_marker,
                "backfill": int(publication.backfill),
                "check_id": check_id,
                "due_at": now,
                **_beginning(publication, one, now),
            }
            for publication, one in zip(new, found, strict=True)
        ],
    )
    await approvals.keep_masked(transaction, [one.file_key for one in new if one.revision > 1])
    await markers.attach_parts(transaction, key, {one.marker for one in found}, now, on_edit)
    await _tell_published(
        transaction,
        user_key,
        [each for each, one in zip(new, found, strict=True) if one.seen],
        now,
    )
    outdated = [each.file_key for each, one in zip(new, found, strict=True) if one.outdated]
    await note_updates.add(transaction, outdated, now)
    deal_ids = Counter(one.seen.deal_id for one in found if one.seen and one.seen.deal_id)
    if deal_ids:
        await deals.adopt_deal(transaction, user_key, deal_ids, now)


async def _tell_published(
    transaction: Transaction, user_key: UserKey, seen: Sequence[NewPublication], now: datetime
) -> None:
    """Record that these are published, since their activities were seen before."""
    named = {(each.file_key, each.revision): each for each in seen}
    happened = []
    for start in range(0, len(seen), 500):
        keys = [each.file_key for each in seen[start : start + 500]]
        rows = await transaction.execute(
            select(publications.c.id, publications.c.file_key, publications.c.revision)
            .where(publications.c.file_key.in_(keys))
            .order_by(publications.c.id)
        )
        for row in rows:
            if each := named.pop((row.file_key, row.revision), None):
                kind = EventKind.PUBLICATION_PUBLISHED
                happened.append(NewEvent(kind, user_key, each.gist_id, row.id, each.filename))
    await events.record(transaction, now, *happened)


async def unsent_edits(
    transaction: Transaction, wanted: Collection[WantedContent], on_edit: OnEdit
) -> frozenset[WantedContent]:
    """Call `recognition.unsent_edits` with the bound account."""
    account = await accounts.bound(transaction, Vendor.DESTINATION)
    key = account.key if account else accounts.NO_KEY
    return await recognition.unsent_edits(transaction, key, wanted, on_edit)


def _beginning(
    publication: NewPublication, recognised: Recognised, now: datetime
) -> dict[str, object]:
    seen = recognised.seen
    skipped_because = publication.skipped_because
    if skipped_because:
        state = PublicationState.SKIPPED
    else:
        state = PublicationState.HELD if publication.held_because else PublicationState.PENDING
    reason = skipped_because or publication.held_because
    return {
        "state": (PublicationState.PUBLISHED if seen else state).value,
        "reason": None if seen else reason,
        "held_because": HeldBecause.FLOOD if state is PublicationState.HELD else None,
        "queued_at": None if skipped_because else now,
        "activity_id": seen and seen.activity_id,
        "deal_id": seen and seen.deal_id,
        "published_at": (seen.added_at or now) if seen else None,
    }


async def next_due(
    transaction: Transaction, overall: PublishingMode = PublishingMode.AUTOMATIC
) -> datetime | None:
    """Return when the next publication is due; None if none waits, or none may be sent.

    `overall` is the general mode.
    """
    may_be_sent = or_(
        publications.c.state != PublicationState.PENDING.value,
        and_(may_be_sent_to(users, overall), ~being_undone()),
    )
    waiting = (
        select(
            func.min(
                func.coalesce(publications.c.lease_until, publications.c.due_at),
                type_=publications.c.due_at.type,
            )
        )
        .join(users, users.c.key == publications.c.user_key)
        .where(publications.c.state.in_(WAITING), tracked, may_be_sent)
    )
    return await transaction.scalar(waiting)


async def get(transaction: Transaction, publication_id: PublicationId) -> Publication:
    """Return one publication of a tracked user; raises PublicationNotFound."""
    row = (
        await transaction.execute(selected().where(publications.c.id == publication_id))
    ).one_or_none()
    if row is None:
        raise PublicationNotFound(f"there is no publication {publication_id}")
    return publication_of(row)


async def page(
    transaction: Transaction, wanted: PublicationFilter = EVERYTHING, *, offset: int, limit: int
) -> Page[Publication]:
    """Return a page of these publications, newest first."""
    items = await listed(transaction, wanted, offset=offset, limit=limit)
    return Page(items, await count_of(transaction, wanted))


async def count_of(transaction: Transaction, wanted: PublicationFilter) -> int:
    """Return how many publications a filter finds."""
    if replace(wanted, states=(), everything=False) == PublicationFilter():  # an index tells these
        counts = await count(transaction)
        return sum(counts.get(state, 0) for state in wanted.states or PublicationState)
    number = select(func.count()).select_from(publications).where(wanted.condition)
    return await transaction.scalar(number) or 0


async def listed(
    transaction: Transaction, wanted: PublicationFilter = EVERYTHING, *, offset: int, limit: int
) -> tuple[Publication, ...]:
    """Return the items of `page`, without counting all."""
    # First the ids alone: otherwise values are read for rows that are left out.
    ids = (await newest(transaction, wanted, offset + limit)).offset(offset).limit(limit).subquery()
    rows = await transaction.execute(
        selected().where(publications.c.id.in_(select(ids.c.id))).order_by(publications.c.id.desc())
    )
    return tuple(publication_of(row) for row in rows)


async def newest(transaction: Transaction, wanted: PublicationFilter, limit: int) -> Select[Any]:
    """Return the query of the ids of the first `limit` publications that a filter finds."""
    rest = select(publications.c.id).where(replace(wanted, states=()).condition)
    if wanted.finds_few or not (wanted.states or wanted.cause):
        if wanted.states:
            rest = rest.where(or_(*map(shown_in, wanted.states)))
        return rest.order_by(publications.c.id.desc()).limit(limit)
    if wanted.cause:
        return newest_of(rest, explained_in(wanted.states), limit)
    return newest_of(rest, await kinds_in(transaction, wanted.states), limit)


async def count(
    transaction: Transaction, user_keys: Sequence[UserKey] | None = None
) -> dict[PublicationState, int]:
    """Return how many publications of tracked users are in each state, of all or of some users."""
    if user_keys is not None:
        mine = publications.c.user_key.in_(user_keys)
        return await _count(transaction, mine, of_tracked(publications.c.user_key))
    # An index counts all of them; reading the user of each would take far longer.
    counts = await _count(transaction)
    hidden = await count_hidden(transaction)
    return {state: number - hidden.get(state, 0) for state, number in counts.items()}


async def count_hidden(transaction: Transaction) -> dict[PublicationState, int]:
    """Return how many publications of removed users are in each state."""
    return await _count(transaction, of_removed(publications.c.user_key))


async def _count(
    transaction: Transaction, *wanted: ColumnElement[bool]
) -> dict[PublicationState, int]:
    rows = await transaction.execute(
        select(publications.c.state, func.count()).where(*wanted).group_by(publications.c.state)
    )
    counts = Counter({PublicationState(state): number for state, number in rows})
    of_parts = await parts.count(transaction, *wanted)
    counts.update(of_parts)
    counts[PublicationState.SKIPPED] -= sum(of_parts.values())
    return dict(+counts)


@dataclass(frozen=True)
class RetriedPublication:
    """A publication that a person sends after all, and its former state."""

    publication: Publication
    was: PublicationState


async def retry(
    transaction: Transaction,
    publication_id: PublicationId,
    now: datetime,
    *,
    by: str | None = None,
    credentials: FoundCredentials | None = None,
) -> RetriedPublication:
    """Send a publication after all that would not be sent, or at `now` one that waits.

    It may have failed, been skipped or undone, or be held. That approves it; `by` is the name of
    the person. `credentials` counts as in `approvals.approve`, but PUBLISH changes nothing for one
    that failed or waits. A deal that was refused, or waits, is tried again, too.

    Raises PublicationNotFound, or PublicationStateError in any other state.
    """
    await ledger.lock(transaction)
    publication = await get(transaction, publication_id)
    await check_not_opted_out(transaction, publication_id)
    await undone.check_not_being_undone(transaction, publication_id)
    await sent_again.check_not_awaited(transaction, publication_id)
    await deals.retry(transaction, publication.user_key, now)
    await _move(
        transaction,
        publication_id,
        away_from=(
            PublicationState.FAILED,
            PublicationState.SKIPPED,
            PublicationState.HELD,
            PublicationState.WITHDRAWN,
            PublicationState.PENDING,
        ),
        to=PublicationState.PENDING,
        reason=None,
        now=now,
    )
    masks = credentials is FoundCredentials.MASK
    says = credentials is not None and publication.state in approvals.ASKING
    decided = {"masked": masks} if masks or says else {}
    await transaction.execute(
        update(publications)
        .where(publications.c.id == publication_id)
        .values(approved_at=now, approved_by=by, **decided)
    )
    if publication.state in approvals.EVENT_OF_RETRY:
        await _tell(transaction, now, approvals.EVENT_OF_RETRY[publication.state][0], publication)
    return RetriedPublication(await get(transaction, publication_id), publication.state)


async def skip(
    transaction: Transaction, publication_id: PublicationId, now: datetime, *, by: str | None = None
) -> Publication:
    """Decide that a publication is not sent; `by` is the name of the person.

    Raises PublicationNotFound, or PublicationStateError if it is or may be in Pipedrive already.
    """
    skipped = await _move(
        transaction,
        publication_id,
        away_from=(PublicationState.FAILED, PublicationState.HELD, PublicationState.PENDING),
        to=PublicationState.SKIPPED,
        reason=skipped_by(by),
        now=now,
    )
    await _tell(transaction, now, EventKind.PUBLICATIONS_SKIPPED, skipped)
    if await sent_again.step_back(transaction, publications.c.id == publication_id, now):
        # A file that is skipped before it is sent again is in Pipedrive as before.
        return await get(transaction, publication_id)
    return skipped


async def _tell(transaction: Transaction, now: datetime, kind: EventKind, one: Publication) -> None:
    told = NewEvent(kind, one.user_key, one.gist_id, one.id, detail=one.filename)
    await events.record(transaction, now, told)


async def skip_deleted(
    transaction: Transaction, file_keys: Sequence[FileKey], now: datetime
) -> None:
    """Skip what GitHub no longer shows, unless an attempt to send it may have arrived."""
    was_held = publications.c.state == PublicationState.HELD.value
    for start in range(0, len(file_keys), 500):
        skipped = await transaction.execute(
            update(publications)
            .where(
                in_order(
                    publications.c.file_key.in_(file_keys[start : start + 500]),
                    publications.c.state.in_(recognition.NOT_SENT),
                    publications.c.token.is_(None),
                    # A person has had it sent again, regardless of what GitHub shows.
                    publications.c.first_marker.is_(None),
                    # The files in an activity do not change after its first send.
                    ~select(holder.c.id).where(holder.c.part_of == publications.c.id).exists(),
                )
            )
            .values(
                state=PublicationState.SKIPPED.value,
                due_at=now,
                reason=case((was_held, DELETED_WHILE_HELD), else_=DELETED_BEFORE_SENT),
                deleted_from=publications.c.state,
            )
            .returning(publications.c.user_key)
        )
        keys, kind = skipped.scalars().all(), EventKind.PUBLICATIONS_SKIPPED
        await events.record_files(transaction, now, kind, keys, "deleted or made secret on GitHub")


async def take_back_skips_of_deleted(
    transaction: Transaction, file_keys: Sequence[FileKey], now: datetime
) -> None:
    """Send what was skipped only because GitHub did not show it: GitHub shows it again.

    A file that was held is held again: a person still decides about it.
    """
    was_held = publications.c.deleted_from == PublicationState.HELD.value
    for start in range(0, len(file_keys), 500):
        result = await transaction.execute(
            update(publications)
            .where(
                in_order(
                    publications.c.file_key.in_(file_keys[start : start + 500]),
                    publications.c.state == PublicationState.SKIPPED.value,
                    publications.c.deleted_from.is_not(None),
                )
            )
            .values(
                state=case(
                    (was_held, PublicationState.HELD.value), else_=PublicationState.PENDING.value
                ),
                due_at=now,
                reason=case((was_held, HELD_AGAIN), else_=None),
                deleted_from=None,
            )
            .returning(publications.c.user_key, publications.c.state)
        )
        rows = result.all()
        for state, kind in EVENT_OF_RETURN.items():
            keys = [row.user_key for row in rows if row.state == state]
            await events.record_files(transaction, now, kind, keys, "shown on GitHub again")


def skipped_by(name: str | None) -> str:
    """Return the reason of what a person skipped, with their name if it is known."""
    return f"skipped by {name}" if name else SKIPPED_BY_A_PERSON


def moved(to: PublicationState, reason: str | None, now: datetime) -> dict[str, object]:
    """Return the columns of a publication that a person retries or skips; a claim on it ends."""
    return {
        "state": to.value,
        "due_at": now,
        "reason": reason,
        "attempts": 0,
        "refusals": 0,
        "looks": 0,
        **lease.NO_CLAIM,
        "activity_lost_at": None,
        "deleted_from": None,
    }


async def _move(
    transaction: Transaction,
    publication_id: PublicationId,
    *,
    away_from: Sequence[PublicationState],
    to: PublicationState,
    reason: str | None,
    now: datetime,
) -> Publication:
    result = await transaction.execute(
        update(publications)
        .where(
            publications.c.id == publication_id,
            publications.c.state.in_([state.value for state in away_from]),
            publications.c.part_of.is_(None),
        )
        .values(moved(to, reason, now))
    )
    publication = await get(transaction, publication_id)
    if publication.part_of is not None:
        raise PublicationStateError(
            f"publication {publication_id} is in the activity of publication "
            f"{publication.part_of}, which holds all of its files; use that one instead"
        )
    if result.rowcount == 0:
        raise PublicationStateError(why_not_moved(publication, to))
    return publication
