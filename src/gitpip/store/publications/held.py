"""Held publications: a person decides whether they are published, for one user or for all.

Those held for credentials are not among them: each needs its own decision.

A flood into a CRM cannot be undone. So only `answer`, and the acts on single publications, release
a held one. No restart, other process or later check does.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    false,
    func,
    literal_column,
    select,
    update,
)

from gitpip.backfill import Backfill, BackfillKind
from gitpip.errors import HeldChanged, InvalidInput, UserNotTracked
from gitpip.model import GistId, PublicationState, UserKey
from gitpip.modes import HeldBecause
from gitpip.store import events, ledger
from gitpip.store.database import Transaction
from gitpip.store.locking import in_order
from gitpip.store.publications import approvals
from gitpip.store.publications.approvals import (
    APPROVED_BY_A_PERSON,
    IS_HELD_WITH_OTHERS,
    FileWithCredentials,
)
from gitpip.store.publications.publications import SKIPPED_BY_A_PERSON, skipped_by
from gitpip.store.rows import reader
from gitpip.store.schema import gist_files, gists, publications, unreadable
from gitpip.store.schema import users as user_rows
from gitpip.store.schema_events import EventKind
from gitpip.store.users import users
from gitpip.store.visibility import of_removed, tracked

MOST_CREDENTIALS_NAMED = 1_000
"""The most files held for credentials that are named."""


@dataclass(frozen=True)
class Held:
    """The files of a tracked user that wait for a decision. Times are UTC."""

    login: str
    files: int
    gists: int
    since: datetime
    because: Mapping[HeldBecause, int] = field(default_factory=dict, compare=False)
    """The number of files held for each reason."""
    credentials: tuple[FileWithCredentials, ...] = ()
    """The files held for credentials, if they were requested; they are not counted in `files`."""


_held = reader(Held, besides=("because", "credentials"))


@dataclass(frozen=True)
class HeldSummary:
    """The files of all tracked users that wait for a decision."""

    files: int
    users: int
    first: Held
    """The user whose files wait longest."""
    because: Mapping[HeldBecause, int] = field(default_factory=dict)
    """The number of files held for each reason."""


@dataclass(frozen=True)
class Answered:
    """The result of an answer, in files; nothing if nothing was held."""

    login: str
    published: int
    """The number of files that are published now, as soon as the publisher comes to them."""
    skipped: int
    for_credentials: int = 0
    """The number of files that stay held for credentials: each needs its own decision."""


def parse_answer(text: str) -> Backfill:
    """Read `all`, `latest:N` or `none`; raises InvalidInput."""
    try:
        approved = Backfill.parse(text)
    except ValueError:
        approved = None
    if approved is None or approved.kind is BackfillKind.SINCE:
        raise InvalidInput("approve", "must be all, latest:N (1 to 999999) or none, e.g. latest:3")
    return approved


async def everyone(transaction: Transaction, *, limit: int) -> tuple[Held, ...]:
    """Return the tracked users with held files, the longest wait first."""
    rows = await transaction.execute(
        _selected().order_by(func.min(publications.c.queued_at), user_rows.c.login).limit(limit)
    )
    return await _with_reasons(transaction, rows.all())


async def of_user(transaction: Transaction, user_key: UserKey) -> Held | None:
    """Return what is held of one tracked user; None if nothing is."""
    rows = await transaction.execute(_selected(publications.c.user_key == user_key))
    found = await _with_reasons(transaction, rows.all())
    return found[0] if found else None


async def with_credentials(
    transaction: Transaction, user_key: UserKey | None = None, *, limit: int
) -> tuple[Held, ...]:
    """Return all that is held of one user or of all, also for credentials, the longest wait first.

    At most `limit` users are returned. If more than `MOST_CREDENTIALS_NAMED` files are held for
    credentials, the newest are not named.
    """
    if user_key is None:
        others = await everyone(transaction, limit=limit)
    else:
        mine = await of_user(transaction, user_key)
        others = (mine,) if mine else ()
    found = {one.login: one for one in others}
    for file in await approvals.each_for_credentials(
        transaction, user_key, limit=MOST_CREDENTIALS_NAMED
    ):
        one = found.get(file.login) or Held(file.login, files=0, gists=0, since=file.since)
        found[file.login] = replace(one, credentials=(*one.credentials, file))
    return tuple(sorted(found.values(), key=lambda one: (one.since, one.login))[:limit])


async def summary(transaction: Transaction) -> HeldSummary | None:
    """Return a summary of what is held of all tracked users; None if nothing is."""
    first = await everyone(transaction, limit=1)
    if not first:
        return None
    counted = await transaction.execute(
        select(func.count(), func.count(publications.c.user_key.distinct())).where(
            IS_HELD_WITH_OTHERS, ~of_removed(publications.c.user_key)
        )
    )
    files, number = counted.one()
    reasons = await transaction.execute(
        select(_because, func.count())
        .where(IS_HELD_WITH_OTHERS, ~of_removed(publications.c.user_key))
        .group_by(_because)
    )
    return HeldSummary(files, number, first[0], _by_reason(reasons.all()))


async def reasons(transaction: Transaction) -> dict[HeldBecause, int]:
    """Return how many files of tracked users are held for each reason, credentials included."""
    rows = await transaction.execute(
        select(_because, func.count())
        .where(publications.c.state == PublicationState.HELD.value)
        .where(~of_removed(publications.c.user_key))
        .group_by(_because)
        .order_by(_because)
    )
    return _by_reason(rows.all())


def _by_reason(rows: Iterable[tuple[HeldBecause | None, int]]) -> dict[HeldBecause, int]:
    """Add up numbers by reason. A reason that only a newer gitpip knows counts as a flood."""
    numbers: Counter[HeldBecause] = Counter()
    for because, number in rows:
        numbers[because or HeldBecause.FLOOD] += number
    return dict(numbers)


# A file that an older gitpip held has no stored kind of reason.
_because = func.coalesce(
    publications.c.held_because,
    literal_column(f"'{HeldBecause.FLOOD}'"),
    type_=publications.c.held_because.type,
)


async def _with_reasons(transaction: Transaction, rows: Sequence[Row[Any]]) -> tuple[Held, ...]:
    """Return what is held of each of these users, with the number of files for each reason."""
    counted = await transaction.execute(
        select(publications.c.user_key, _because, func.count())
        .where(IS_HELD_WITH_OTHERS, publications.c.user_key.in_([row.key for row in rows]))
        .group_by(publications.c.user_key, _because)
    )
    of_user: defaultdict[int, list[tuple[HeldBecause | None, int]]] = defaultdict(list)
    for key, because, number in counted:
        of_user[key].append((because, number))
    return tuple(_held(row, because=_by_reason(of_user[row.key])) for row in rows)


def _selected(*wanted: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            user_rows.c.key,
            user_rows.c.login,
            func.count().label("files"),
            func.count(gist_files.c.gist_id.distinct()).label("gists"),
            func.min(publications.c.queued_at, type_=publications.c.queued_at.type).label("since"),
        )
        .join(user_rows, user_rows.c.key == publications.c.user_key)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .where(IS_HELD_WITH_OTHERS, tracked, *wanted)
        .group_by(user_rows.c.key, user_rows.c.login)
    )


async def queued(
    transaction: Transaction,
    user_key: UserKey,
    *,
    after: datetime | None,
    before: datetime,
    with_backfill: bool,
) -> dict[GistId, int]:
    """Return how many files of each gist of a user were queued since a time, or ever; held or not.

    Files queued later than `before` were queued while a clock was ahead, and are left out.
    `with_backfill` also counts those from before the user was added.
    """
    wanted = [publications.c.user_key == user_key, publications.c.queued_at <= before]
    if after is not None:
        wanted.append(publications.c.queued_at > after)
    if not with_backfill:
        wanted.append(publications.c.backfill == 0)
    rows = await transaction.execute(
        select(gist_files.c.gist_id, func.count())
        .select_from(publications)
        .join(gist_files, gist_files.c.key == publications.c.file_key)
        .where(*wanted)
        .group_by(gist_files.c.gist_id)
    )
    return {GistId(gist_id): number for gist_id, number in rows}


async def answer(
    transaction: Transaction,
    login: str,
    approved: Backfill,
    *,
    now: datetime,
    shown: int | None = None,
    by: str | None = None,
) -> Answered:
    """Publish what is held of a user: all, the latest N gists, or none; the rest is skipped.

    Wake the publisher after the commit. If nothing is held, as after the same answer before,
    nothing changes. `shown` is the number of files that the person was told, and `by` the person's
    name. Raises UserNotTracked, InvalidInput, and HeldChanged if another number is held now.
    """
    parse_answer(str(approved))
    await ledger.share(transaction)
    found = await users.find(transaction, login)
    user = await users.lock(transaction, found.key)
    if user is None:
        raise UserNotTracked(f"{login} is not tracked")
    held = await of_user(transaction, user.key)
    left = await approvals.number_for_credentials(transaction, user.key)
    if held is None:
        return Answered(user.login, published=0, skipped=0, for_credentials=left)
    if shown is not None and shown != held.files:
        raise HeldChanged(
            f"{held.files:,} files of {user.login} are held now, not {shown:,}. Review them and "
            "decide again"
        )
    published, skipped = await _answer(transaction, user.key, approved, now, by)
    return Answered(user.login, published=published, skipped=skipped, for_credentials=left)


async def answer_for_all(
    transaction: Transaction,
    approved: Backfill,
    *,
    now: datetime,
    shown: int | None = None,
    by: str | None = None,
) -> Answered:
    """Answer for all users at once; see `answer`. The latest N gists are of all together."""
    parse_answer(str(approved))
    await ledger.lock(transaction)
    held = await summary(transaction)
    files = held.files if held else 0
    if shown is not None and shown != files:
        raise HeldChanged(
            f"{files:,} files are held now, not {shown:,}. Review them and decide again"
        )
    published, skipped = await _answer(transaction, None, approved, now, by)
    left = await approvals.number_for_credentials(transaction)
    return Answered("", published=published, skipped=skipped, for_credentials=left)


async def tried(
    transaction: Transaction, approved: Backfill, *, user_key: UserKey | None = None
) -> Answered:
    """Return what an answer for all users, or for one, would do; changes nothing.

    Raises InvalidInput.
    """
    parse_answer(str(approved))
    held = _held_of(user_key)
    wanted = [held, *_approves(held, approved)]
    files = select(func.count()).select_from(publications)
    total = await transaction.scalar(files.where(held)) or 0
    published = await transaction.scalar(files.where(*wanted)) or 0
    return Answered("", published=published, skipped=total - published)


async def _answer(
    transaction: Transaction,
    user_key: UserKey | None,
    approved: Backfill,
    now: datetime,
    by: str | None,
) -> tuple[int, int]:
    """Give the answer for a user, or for all; return how many files are published, and skipped."""
    wanted = _held_of(user_key)
    published = await _publish(transaction, wanted, approved, now, by)
    result = await transaction.execute(
        update(publications)
        .where(in_order(wanted))
        .values(
            state=PublicationState.SKIPPED.value,
            due_at=now,
            reason=skipped_by(by),
            deleted_from=None,
        )
        .returning(publications.c.user_key)
    )
    skipped = result.scalars().all()
    await _answer_for_unread(transaction, user_key, approved)
    told = (
        (EventKind.PUBLICATIONS_APPROVED, published, APPROVED_BY_A_PERSON),
        (EventKind.PUBLICATIONS_SKIPPED, skipped, SKIPPED_BY_A_PERSON),
    )
    for kind, keys, why in told:
        await events.record_files(transaction, now, kind, keys, why)
    return len(published), len(skipped)


def _held_of(user_key: UserKey | None) -> ColumnElement[bool]:
    of = publications.c
    mine = ~of_removed(of.user_key) if user_key is None else of.user_key == user_key
    return and_(IS_HELD_WITH_OTHERS, mine)


async def _publish(
    transaction: Transaction,
    held: ColumnElement[bool],
    approved: Backfill,
    now: datetime,
    by: str | None,
) -> Sequence[int]:
    """Approve what the answer lets through; return the key of its user for each file."""
    wanted = [held, *_approves(held, approved)]
    result = await transaction.execute(
        update(publications)
        .where(in_order(*wanted))
        .values(approvals.approved(now, by))
        .returning(publications.c.user_key)
    )
    keys: Sequence[int] = result.scalars().all()
    return keys


def _approves(held: ColumnElement[bool], approved: Backfill) -> list[ColumnElement[bool]]:
    """Return the further conditions on a held publication for the answer to let it through."""
    match approved.kind:
        case BackfillKind.NONE:
            return [false()]
        case BackfillKind.LATEST:
            return [publications.c.file_key.in_(_files_of_latest(held, approved.count))]
        case _:
            return []


async def _answer_for_unread(
    transaction: Transaction, user_key: UserKey | None, approved: Backfill
) -> None:
    """Apply the answer to the items that belong to the flood and could not be read yet."""
    publish = approved.kind is BackfillKind.ALL
    skipped = {} if publish else {"skipped_because": SKIPPED_BY_A_PERSON}
    of = unreadable.c
    mine = ~of_removed(of.user_key) if user_key is None else of.user_key == user_key
    await transaction.execute(
        update(unreadable)
        .where(mine, of.held_because.is_not(None))
        .values(held_because=None, **skipped)
    )


def _files_of_latest(held: ColumnElement[bool], number: int | None) -> Select[Any]:
    """Return the query of the files of the latest gists with held files."""
    latest = (
        select(gists.c.id)
        .where(
            gists.c.id.in_(
                select(gist_files.c.gist_id)
                .join(publications, publications.c.file_key == gist_files.c.key)
                .where(held)
            )
        )
        .order_by(gists.c.created_at.desc(), gists.c.id.desc())
        .limit(number)
    )
    return select(gist_files.c.key).where(gist_files.c.gist_id.in_(latest))
