"""Items that GitHub lists but that could not be read, with the reason and the next try."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import delete, func, insert, select, update

from gitpip.backoff import backoff
from gitpip.model import GistId, Unreadable, UserKey
from gitpip.store.database import Transaction
from gitpip.store.rows import reader
from gitpip.store.schema import active, gist_files, unreadable, users, watched
from gitpip.store.visibility import tracked
from gitpip.validation import without_nul

FIRST_READ_RETRY = timedelta(minutes=1)
FIRST_RETRY_OF_A_LAG = timedelta(seconds=5)
"""The wait if one of GitHub's APIs does not show yet what another one does: that takes seconds."""
LONGEST_READ_RETRY = timedelta(days=1)
UNREADABLE_REASON_LIMIT = 500
NO_GIST = GistId("")
"""The gist id of an item of the gist list without an id, or of a page of that list."""
DOUBT = "GraphQL"
"""The file name that means, without a gist: GraphQL shows what the gist list does not."""

_LATEST = 200
"""The number of files in which gists of different users are searched."""

_unreadable = reader(Unreadable)


@dataclass(frozen=True)
class Failure:
    """An item that could not be read just now."""

    gist_id: GistId
    filename: str
    reason: str
    skipped_because: str | None = None
    held_because: str | None = None
    lags: bool = False
    """Whether GitHub lists it elsewhere, and may show it in a moment."""


@dataclass(frozen=True)
class UnreadableSummary:
    """The number of unread gists of tracked users, and the oldest of them."""

    gists: int
    """A gist counts once, whether all of it is unread or only some of its files."""
    users: int
    since: datetime | None
    """The time when the oldest was first found unreadable (UTC); None if everything is read."""
    example: str | None
    """The oldest item, with its reason."""


async def record(
    transaction: Transaction,
    user_key: UserKey,
    failures: Sequence[Failure],
    now: datetime,
) -> tuple[Failure, ...]:
    """Record what could not be read, with its next try; return what was not known before.

    The wait begins with a minute, or with seconds for what `lags`, and doubles with each failure,
    up to a day. The first reason to skip or hold an item stays. The caller holds the user's row
    lock.
    """
    known = {(row.gist_id, row.filename): row for row in await of_user(transaction, user_key)}
    new = []
    for failure in failures:
        before = known.get((failure.gist_id, failure.filename))
        number = before.failures + 1 if before else 1
        first = FIRST_RETRY_OF_A_LAG if failure.lags else FIRST_READ_RETRY
        values: dict[str, object] = {
            "reason": without_nul(failure.reason)[:UNREADABLE_REASON_LIMIT],
            "failures": number,
            "next_try_at": now + backoff(number, first, LONGEST_READ_RETRY),
        }
        if before:
            await transaction.execute(
                update(unreadable)
                .where(
                    unreadable.c.user_key == user_key,
                    unreadable.c.gist_id == failure.gist_id,
                    unreadable.c.filename == failure.filename,
                )
                .values(values)
            )
        else:
            new.append(failure)
            await transaction.execute(
                insert(unreadable).values(
                    user_key=user_key,
                    gist_id=failure.gist_id,
                    filename=failure.filename,
                    first_failed_at=now,
                    skipped_because=failure.skipped_because,
                    held_because=failure.held_because,
                    **values,
                )
            )
    return tuple(new)


async def resolve(
    transaction: Transaction,
    user_key: UserKey,
    gist_id: GistId,
    *,
    still_unread: Collection[str] = (),
) -> None:
    """Delete what is recorded of a gist, except the files that are `still_unread` ("" for all)."""
    await transaction.execute(
        delete(unreadable).where(
            unreadable.c.user_key == user_key,
            unreadable.c.gist_id == gist_id,
            unreadable.c.filename.not_in(list(still_unread)),
        )
    )


async def make_due(transaction: Transaction, now: datetime) -> None:
    """Try every unread item again in the next check of its user."""
    await transaction.execute(
        update(unreadable).where(unreadable.c.next_try_at > now).values(next_try_at=now)
    )


async def of_user(transaction: Transaction, user_key: UserKey) -> tuple[Unreadable, ...]:
    """Return the unread items of a user, the oldest first."""
    rows = await transaction.execute(
        select(unreadable)
        .where(unreadable.c.user_key == user_key)
        .order_by(unreadable.c.first_failed_at, unreadable.c.gist_id, unreadable.c.filename)
    )
    return tuple(_unreadable(row) for row in rows)


async def of_gist(transaction: Transaction, gist_id: GistId) -> tuple[Unreadable, ...]:
    """Return the unread items of one gist of a tracked user, by file name."""
    rows = await transaction.execute(
        select(unreadable)
        .join(users, users.c.key == unreadable.c.user_key)
        .where(unreadable.c.gist_id == gist_id, tracked)
        .order_by(unreadable.c.filename)
    )
    return tuple(_unreadable(row) for row in rows)


async def shown_before(
    transaction: Transaction,
    user_key: UserKey,
    *,
    but: Collection[GistId],
    limit: int,
) -> tuple[GistId, ...]:
    """Return some gists that GitHub showed recently, each of another user if possible.

    Then follow more gists of the same users, and at last gists of this user. Gists in `but`, and
    files removed from GitHub, are left out.
    """
    latest = (
        select(gist_files.c.gist_id, gist_files.c.user_key)
        .where(gist_files.c.removed_at.is_(None))
        .order_by(gist_files.c.key.desc())
        .limit(_LATEST)
    )
    of_others: dict[UserKey, list[GistId]] = {}
    for row in await transaction.execute(latest.where(gist_files.c.user_key != user_key)):
        of_others.setdefault(UserKey(row.user_key), []).append(GistId(row.gist_id))
    own = await transaction.execute(latest.where(gist_files.c.user_key == user_key))
    each_first = [latest_ones[0] for latest_ones in of_others.values()]
    known = dict.fromkeys(
        [*each_first, *chain.from_iterable(of_others.values()), *(row.gist_id for row in own)]
    )
    return tuple([GistId(gist_id) for gist_id in known if gist_id not in but][:limit])


async def summary(transaction: Transaction) -> UnreadableSummary:
    """Return how much of the tracked users could not be read, with the oldest as an example."""
    gists = (
        select(unreadable.c.user_key, unreadable.c.gist_id)
        .join(users, users.c.key == unreadable.c.user_key)
        .where(tracked)
        .distinct()
        .subquery()
    )
    number, owners = (
        await transaction.execute(
            select(func.count(), func.count(gists.c.user_key.distinct())).select_from(gists)
        )
    ).one()
    oldest = (
        await transaction.execute(
            select(unreadable, users.c.login)
            .join(users, users.c.key == unreadable.c.user_key)
            .where(tracked)
            .order_by(unreadable.c.first_failed_at, unreadable.c.gist_id, unreadable.c.filename)
            .limit(1)
        )
    ).one_or_none()
    if oldest is None:
        return UnreadableSummary(0, 0, None, None)
    what = describe(_unreadable(oldest))
    return UnreadableSummary(
        number, owners, oldest.first_failed_at, f"{oldest.login}: {what}: {oldest.reason}"
    )


@dataclass(frozen=True)
class FurthestBehind:
    """The user who is known up to the earliest time, and what prevents reading further."""

    login: str
    reason: str


async def furthest_behind(transaction: Transaction) -> FurthestBehind | None:
    """Return the user furthest behind because of a failure or an unread item, or None.

    Users that were never read completely come first, in the order of their adding.
    """
    wanted = select(users.c.key, users.c.login, users.c.failure).limit(1)
    never_read = wanted.where(active, users.c.complete_until.is_(None)).order_by(users.c.key)
    known = wanted.where(watched, users.c.complete_until.is_not(None))
    row = (await transaction.execute(never_read)).one_or_none() or (
        await transaction.execute(known.order_by(users.c.complete_until))
    ).one_or_none()
    if row is None:
        return None
    unread = await of_user(transaction, UserKey(row.key))
    if row.failure:
        return FurthestBehind(row.login, row.failure)
    if unread:
        return FurthestBehind(row.login, f"{describe(unread[0])}: {unread[0].reason}")
    return None


def describe(item: Unreadable) -> str:
    """Return in words what could not be read."""
    if not item.gist_id and item.filename == DOUBT:
        return "the list of gists"
    if not item.gist_id:
        return "a part of the list of gists"
    if not item.filename:
        return f"gist {item.gist_id}"
    return f"file {item.filename} of gist {item.gist_id}"
