"""Approving and holding: a person's decisions on publications before they are first sent."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, false, func, or_, select, update

from gitpip.errors import PublicationNotFound, PublicationStateError
from gitpip.model import FileKey, PublicationId, PublicationState, UserKey
from gitpip.modes import FoundCredentials, HeldBecause
from gitpip.store import events, lease, ledger
from gitpip.store.database import Transaction
from gitpip.store.locking import in_order
from gitpip.store.publications.permission import NEVER_SENT
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, never_arrived, publications, unreadable, users
from gitpip.store.schema_events import EventKind
from gitpip.store.visibility import of_tracked

HELD_BY_A_PERSON = "held by a person"
APPROVED_BY_A_PERSON = "approved by a person"
RETRIED_BY_A_PERSON = "retried by a person"
SENT_AGAIN_BY_A_PERSON = "sent again by a person"
IS_HELD = publications.c.state == PublicationState.HELD.value
# A person checks each of these: no answer about many approves them.
HELD_FOR_CREDENTIALS = and_(IS_HELD, publications.c.held_because == HeldBecause.CREDENTIALS)
ASKING = (PublicationState.HELD, PublicationState.SKIPPED, PublicationState.WITHDRAWN)
ASKS_ABOUT_CREDENTIALS = and_(
    publications.c.held_because == HeldBecause.CREDENTIALS, publications.c.state.in_(ASKING)
)
"""The condition that a person decides whether found credentials are sent.

They were not sent, or were taken back by an undo.
"""
IS_HELD_WITH_OTHERS = and_(
    IS_HELD,
    or_(
        publications.c.held_because.is_(None),
        publications.c.held_because != HeldBecause.CREDENTIALS,
    ),
)

EVENT_OF_RETRY = {
    PublicationState.HELD: (EventKind.PUBLICATIONS_APPROVED, APPROVED_BY_A_PERSON),
    PublicationState.SKIPPED: (EventKind.PUBLICATIONS_APPROVED, APPROVED_BY_A_PERSON),
    PublicationState.FAILED: (EventKind.PUBLICATIONS_RETRIED, RETRIED_BY_A_PERSON),
    PublicationState.WITHDRAWN: (EventKind.PUBLICATIONS_RETRIED, RETRIED_BY_A_PERSON),
}
"""The event if a person retries a publication in this state. One that waits only waits less."""
WAITS_UNSENT = and_(publications.c.state == PublicationState.PENDING.value, never_arrived)


def held_by_person(now: datetime) -> dict[str, object]:
    """Return the columns of a publication that a person holds; a claim on it ends."""
    return {
        "state": PublicationState.HELD.value,
        "held_because": HeldBecause.PERSON,
        "reason": HELD_BY_A_PERSON,
        "due_at": now,
        "approved_at": None,
        "approved_by": None,
        **lease.NO_CLAIM,
    }


def approved(now: datetime, by: str | None) -> dict[str, object]:
    """Return the columns of a held publication that a person approves."""
    return {
        "state": PublicationState.PENDING.value,
        "due_at": now,
        "reason": None,
        "approved_at": now,
        "approved_by": by,
    }


@dataclass(frozen=True)
class ApprovalChoice:
    """The publications that an act is about: some by their ids, or those of a user, or all."""

    ids: tuple[PublicationId, ...] = ()
    user_key: UserKey | None = None
    reviewed: bool = True
    """Whether the person has seen what those named by their ids hold."""

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition that a publication is chosen."""
        wanted = [of_tracked(publications.c.user_key)]
        if self.ids:
            wanted.append(publications.c.id.in_(self.ids))
        if self.user_key is not None:
            wanted.append(publications.c.user_key == self.user_key)
        return and_(*wanted)


@dataclass(frozen=True)
class LeftPublication:
    """A publication that an act left as it is, since its state does not allow the act."""

    id: PublicationId
    state: PublicationState


_left = reader(LeftPublication)


@dataclass(frozen=True)
class Moved:
    """The result of an act on the chosen publications."""

    ids: tuple[PublicationId, ...]
    """The publications that the act changed."""
    left: tuple[LeftPublication, ...]
    """Named publications in another state, since they were sent or skipped meanwhile."""
    for_credentials: int = 0
    """The number of publications that were left because they may hold credentials: a person
    decides about each."""


@dataclass(frozen=True)
class HeldForCredentials:
    """The files of tracked users that are held because they may hold credentials. Times are UTC."""

    files: int
    since: datetime
    login: str
    """The owner of the file that waits longest."""
    example: str
    """The name of that file."""


@dataclass(frozen=True)
class FileWithCredentials:
    """A file that is held because it may hold credentials. The time is UTC."""

    id: PublicationId
    login: str
    filename: str
    since: datetime
    reason: str


async def each_for_credentials(
    transaction: Transaction, user_key: UserKey | None = None, *, limit: int
) -> tuple[FileWithCredentials, ...]:
    """Return the files held for credentials, of one user or of all, the longest wait first."""
    of = publications.c
    rows = await transaction.execute(
        select(of.id, users.c.login, gist_files.c.filename, of.queued_at.label("since"), of.reason)
        .join(users, users.c.key == of.user_key)
        .join(gist_files, gist_files.c.key == of.file_key)
        .where(HELD_FOR_CREDENTIALS, ApprovalChoice(user_key=user_key).condition)
        .order_by(of.queued_at, of.id)
        .limit(limit)
    )
    return tuple(map(reader(FileWithCredentials), rows))


async def number_for_credentials(transaction: Transaction, user_key: UserKey | None = None) -> int:
    """Return how many files are held for credentials, of one user or of all."""
    counted = select(func.count(publications.c.id)).where(
        HELD_FOR_CREDENTIALS, ApprovalChoice(user_key=user_key).condition
    )
    return await transaction.scalar(counted) or 0


async def held_for_credentials(transaction: Transaction) -> HeldForCredentials | None:
    """Return a summary of the files held for credentials; None if there are none."""
    wanted = (HELD_FOR_CREDENTIALS, of_tracked(publications.c.user_key))
    number = await number_for_credentials(transaction)
    if not number:
        return None
    first = (
        await transaction.execute(
            select(publications.c.due_at, users.c.login, gist_files.c.filename)
            .join(users, users.c.key == publications.c.user_key)
            .join(gist_files, gist_files.c.key == publications.c.file_key)
            .where(*wanted)
            .order_by(publications.c.due_at, publications.c.id)
            .limit(1)
        )
    ).one()
    return HeldForCredentials(number, first.due_at, first.login, first.filename)


async def asking_about_credentials(
    transaction: Transaction, ids: Sequence[PublicationId]
) -> frozenset[PublicationId]:
    """Return those of these publications that are sent with credentials if they are approved."""
    found = await transaction.scalars(
        select(publications.c.id).where(publications.c.id.in_(ids), ASKS_ABOUT_CREDENTIALS)
    )
    return frozenset(map(PublicationId, found))


async def approve(
    transaction: Transaction,
    chosen: ApprovalChoice,
    *,
    now: datetime,
    by: str,
    credentials: FoundCredentials | None = None,
) -> Moved:
    """Approve what is held: it is sent, and held again only if credentials are found in it.

    A file that is held for credentials is approved only by its id, if the person has reviewed it,
    and sent with or without them, as `credentials` says; None keeps a person's earlier decision,
    or sends it with them.

    Named publications that wait and were never sent are approved as well. Raises
    PublicationNotFound, and PublicationStateError if no named one can be approved.
    """
    await ledger.share(transaction)
    wanted = or_(IS_HELD, NEVER_SENT) if chosen.ids else IS_HELD_WITH_OTHERS
    if not chosen.reviewed:
        wanted = and_(wanted, ~func.coalesce(ASKS_ABOUT_CREDENTIALS, false()))
    # A file that was approved without credentials stays so, unless it asks about them again.
    asks = case((ASKS_ABOUT_CREDENTIALS, 0), else_=publications.c.masked)
    decided = 1 if credentials is FoundCredentials.MASK else asks
    masked = {"masked": decided} if chosen.ids and credentials is not None else {}
    result = await transaction.execute(
        update(publications)
        .where(in_order(chosen.condition, wanted))
        .values(**approved(now, by), **masked)
        .returning(publications.c.id, publications.c.user_key)
    )
    rows = result.all()
    spared: frozenset[PublicationId] = frozenset()
    if chosen.ids and not chosen.reviewed:
        spared = await asking_about_credentials(transaction, chosen.ids)
    named = replace(chosen, ids=tuple(each for each in chosen.ids if each not in spared))
    moved = await _moved(transaction, named, [row.id for row in rows], "approved", "held")
    keys = [row.user_key for row in rows]
    await events.record_files(
        transaction, now, EventKind.PUBLICATIONS_APPROVED, keys, APPROVED_BY_A_PERSON
    )
    if chosen.ids:
        return replace(moved, for_credentials=len(spared))
    await _approve_unread(transaction, chosen.user_key)
    left = await number_for_credentials(transaction, chosen.user_key)
    return replace(moved, for_credentials=left)


async def sent_with_credentials(
    transaction: Transaction, file_key: FileKey, revision: int, revised_at: datetime | None
) -> bool:
    """Return whether a person approved this revision of a file with the credentials found in it.

    Not if it was edited since (`revised_at`), nor once it is published: a note that is rewritten
    shows content that no person was asked about.
    """
    row = await _held_for_credentials(transaction, file_key, revision)
    if row is None or row.masked or row.state == PublicationState.PUBLISHED.value:
        return False
    return _covers(row.approved_at, revised_at)


async def shown_with_credentials(
    transaction: Transaction, file_key: FileKey, revision: int, revised_at: datetime | None
) -> bool:
    """Return whether a person is shown the credentials in this revision of a file.

    They are what the person is asked to approve, or what was sent, until the note is rewritten.
    """
    row = await _held_for_credentials(transaction, file_key, revision)
    if row is None:
        return False
    if row.state in ASKING:
        return True
    if row.masked:
        return False
    if row.state == PublicationState.FAILED.value:
        # Sending it approves the credentials that are found in it then.
        return True
    return row.note_written_at is None and _covers(row.approved_at, revised_at)


async def keep_masked(transaction: Transaction, file_keys: Collection[FileKey]) -> None:
    """Mask credentials in the newest revisions of these files if an earlier one was masked."""
    if not file_keys:
        return
    earlier = publications.alias()
    said = select(earlier.c.id).where(
        earlier.c.file_key == publications.c.file_key,
        earlier.c.revision < publications.c.revision,
        earlier.c.masked == 1,
    )
    new = and_(publications.c.file_key.in_(file_keys), publications.c.approved_at.is_(None))
    await transaction.execute(update(publications).where(new, said.exists()).values(masked=1))


async def any_masked(transaction: Transaction, revisions: Iterable[tuple[FileKey, int]]) -> bool:
    """Return whether a person approved one of these revisions without what is found in it."""
    of = publications.c
    shown = [and_(of.file_key == key, of.revision == revision) for key, revision in revisions]
    found = select(of.id).where(or_(*shown), of.masked == 1).limit(1)
    return await transaction.scalar(found) is not None


def _covers(approved_at: datetime | None, revised_at: datetime | None) -> bool:
    # A later edit is not what the person saw.
    return approved_at is not None and (revised_at or approved_at) <= approved_at


async def _held_for_credentials(
    transaction: Transaction, file_key: FileKey, revision: int
) -> Row[Any, Any, Any, Any] | None:
    of = publications.c
    rows = await transaction.execute(
        select(of.state, of.approved_at, of.note_written_at, of.masked).where(
            of.file_key == file_key,
            of.revision == revision,
            of.held_because == HeldBecause.CREDENTIALS,
        )
    )
    return rows.one_or_none()


async def hold(transaction: Transaction, chosen: ApprovalChoice, *, now: datetime) -> Moved:
    """Hold what waits and was never sent, approved or not, until a person approves it.

    Raises PublicationNotFound, and PublicationStateError if no named one can be held.
    """
    await ledger.share(transaction)
    result = await transaction.execute(
        update(publications)
        .where(in_order(chosen.condition, WAITS_UNSENT))
        .values(held_by_person(now))
        .returning(publications.c.id, publications.c.user_key)
    )
    rows = result.all()
    waiting = "waiting and never sent"
    moved = await _moved(transaction, chosen, [row.id for row in rows], "held", waiting)
    keys = [row.user_key for row in rows]
    await events.record_files(transaction, now, EventKind.PUBLICATIONS_HELD, keys, HELD_BY_A_PERSON)
    return moved


async def _moved(
    transaction: Transaction, chosen: ApprovalChoice, ids: Sequence[int], done: str, wanted: str
) -> Moved:
    moved = frozenset(map(PublicationId, ids))
    rest = [each for each in chosen.ids if each not in moved]
    found = await transaction.execute(
        select(publications.c.id, publications.c.state).where(
            publications.c.id.in_(rest), of_tracked(publications.c.user_key)
        )
    )
    left = {one.id: one for one in map(_left, found)}
    for each in rest:
        if each not in left:
            raise PublicationNotFound(f"there is no publication {each}")
    if left and not moved:
        told = ", ".join(f"{one.id} is {one.state}" for one in list(left.values())[:5])
        raise PublicationStateError(
            f"no publication was {done}: only one that is {wanted} can be {done}, and {told}"
        )
    return Moved(tuple(sorted(moved)), tuple(left[each] for each in rest))


async def _approve_unread(transaction: Transaction, user_key: UserKey | None) -> None:
    """Approve the items that belong to a flood and could not be read yet."""
    wanted = [unreadable.c.held_because.is_not(None), of_tracked(unreadable.c.user_key)]
    if user_key is not None:
        wanted.append(unreadable.c.user_key == user_key)
    await transaction.execute(update(unreadable).where(*wanted).values(held_because=None))
