"""The decisions of watching: what is new, what of it is published, and when a user is checked."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from gitpip.backfill import Backfill, BackfillKind
from gitpip.backoff import backoff
from gitpip.clock import EPOCH
from gitpip.errors import (
    OWN_FAULT,
    GitHubBlocked,
    GitHubNotFound,
    GitHubUnreachable,
    GitpipError,
    SameAccount,
)
from gitpip.failed_check import FailedCheck
from gitpip.known_gists import KnownFile, KnownGist
from gitpip.model import (
    FailureKind,
    GistId,
    SeenFile,
    SeenGist,
    Unreadable,
    User,
    UserKey,
    UserState,
)

Item = TypeVar("Item")

LONGEST_LAG = timedelta(minutes=3)
"""The largest age of what GitHub's APIs show: lists were seen up to two minutes behind."""
FIRST_CHECK_RETRY = timedelta(minutes=1)
UNAVAILABLE_AFTER = 3
"""The checks in a row that must not find a user: flagged accounts vanish for a while."""
RARELY = timedelta(days=1)
FIRST_WITHOUT_GRAPHQL = timedelta(hours=6)
BATCH_GISTS = 30
MOST_FILES_LISTED = 300
"""The number of files above which GitHub's lists leave out some files of a gist."""
ADJACENT = 50
"""The number of users added next to each other who stay together in the schedule and in batches."""
WHOLE_MINUTES_FROM = timedelta(minutes=10)
VERY_ACTIVE_WITHIN = timedelta(days=1)
ACTIVE_WITHIN = timedelta(days=7)
"""The times within which a new gist makes a user be checked six or three times as often."""
SHORTEST_ACTIVE_INTERVAL = timedelta(minutes=5)
BATCH_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Retries:
    """The gists and files of a user that could not be read, by whether they are tried again now."""

    gists: frozenset[GistId]
    """Gists that are due for another try."""
    whole_list: bool
    """Whether the list itself is due: a part of it could not be interpreted."""
    waiting: frozenset[tuple[GistId, str]]
    """The gist and filename ("" for the whole gist) of what is not due yet."""

    @property
    def waiting_gists(self) -> frozenset[GistId]:
        """Gists without a part that is due."""
        return frozenset(gist_id for gist_id, _ in self.waiting) - self.gists


def retries(unread: Sequence[Unreadable], now: datetime) -> Retries:
    """Separate what is due for another try from what is not."""
    due = [item for item in unread if item.next_try_at <= now]
    return Retries(
        gists=frozenset(item.gist_id for item in due if item.gist_id),
        whole_list=any(not item.gist_id for item in due),
        waiting=frozenset(
            (item.gist_id, item.filename) for item in unread if item.next_try_at > now
        ),
    )


NO_RETRIES = Retries(frozenset(), whole_list=False, waiting=frozenset())


@dataclass(frozen=True)
class Differences:
    """The differences between a list of GitHub and what the store knows of a user."""

    to_read: tuple[SeenGist, ...]
    """Gists with a new or an edited file, oldest first, with the files to read."""
    touched: tuple[SeenGist, ...]
    """Known gists in which only the description or the time of an update may differ."""
    removed: tuple[tuple[GistId, str], ...]
    """Files that are no longer in their gist."""
    missing: tuple[GistId, ...]
    """Known gists that the complete list does not name."""


def compare(
    listed: Sequence[SeenGist],
    *,
    whole: bool,
    known_gists: Mapping[GistId, KnownGist],
    known_files: Mapping[tuple[GistId, str], KnownFile],
    retries: Retries = NO_RETRIES,
    also_named: Collection[GistId] = (),
) -> Differences:
    """Return what is new, edited, removed or missing in a list, which is `whole` or a part.

    A file is known by its gist and name, its content by the blob hash: a star, which changes the
    time of the last update, makes no difference. Parts that wait for their next try are not read.
    `also_named` are gists that the list names but that could not be interpreted.
    """
    by_gist: dict[GistId, set[str]] = {}
    for (gist_id, filename), file in known_files.items():
        if not file.removed:
            by_gist.setdefault(gist_id, set()).add(filename)
    to_read, touched, removed = [], [], []
    for gist in listed:
        known = known_gists.get(gist.id)
        # If a gist has more files than are listed, only the time of its update shows an edit.
        partly_listed = len(gist.files) >= MOST_FILES_LISTED
        if known is None:
            if gist.id not in retries.waiting_gists:
                to_read.append(gist)
        elif any(
            _differs(gist.id, file, known_files)
            for file in gist.files
            if (gist.id, file.filename) not in retries.waiting
        ) or (partly_listed and known.updated_at != gist.updated_at):
            to_read.append(gist)
        elif known.deleted or known.updated_at < gist.updated_at:
            touched.append(gist)
        # An answer that lags says nothing about what was removed.
        behind = known is not None and gist.updated_at < known.updated_at
        if len(gist.files) < MOST_FILES_LISTED and not behind:
            gone = by_gist.get(gist.id, set()) - {file.filename for file in gist.files}
            removed += [(gist.id, filename) for filename in sorted(gone)]
    named = {gist.id for gist in listed}.union(also_named)
    missing = [
        gist_id
        for gist_id, known in known_gists.items()
        if whole
        and not known.deleted
        and gist_id not in named
        and (gist_id, "") not in retries.waiting
    ]
    return Differences(
        to_read=tuple(sorted(to_read, key=_age)),
        touched=tuple(touched),
        removed=tuple(removed),
        missing=tuple(missing),
    )


def _differs(
    gist_id: GistId, file: SeenFile, known_files: Mapping[tuple[GistId, str], KnownFile]
) -> bool:
    known = known_files.get((gist_id, file.filename))
    return known is None or known.removed or known.blob_hash != (file.blob_hash or known.blob_hash)


def known_until(answered_at: datetime) -> datetime:
    """Return the time up to which an answer shows everything public, by GitHub's clock."""
    return answered_at - LONGEST_LAG


def unexplained(
    newest: Mapping[GistId, datetime],
    gist_count: int,
    *,
    shown: Mapping[GistId, datetime | None],
    there: Collection[GistId],
    complete_until: datetime | None,
) -> str | None:
    """Return what GraphQL shows of a user's gists and REST does not, in words, or None.

    GraphQL gave the gists that were updated last with their times, and counts `gist_count`. REST
    shows the gists `there`. `shown` has the last update of each gist that was ever seen, or None if
    that is unknown. The list has every update before `complete_until`: if GraphQL's time of one is
    later, the two APIs just differ.
    """
    for gist_id, updated_at in newest.items():
        if gist_id not in shown:
            return f"GraphQL names gist {gist_id}, and the list of gists does not"
        seen_at = shown[gist_id]
        is_known = complete_until is not None and updated_at < complete_until
        if seen_at is not None and seen_at < updated_at and not is_known:
            return f"GraphQL shows an update of gist {gist_id}, and the list of gists does not"
    listed = len({*there, *newest})
    if gist_count > listed:
        return f"GraphQL counts {gist_count} gists, and the list of gists shows {listed}"
    return None


def is_unchanged(user: User, *, gist_count: int, mark: str | None) -> bool:
    """Return whether a batch poll saw nothing new: as many gists and the same mark as last time."""
    if user.unreadable:
        return False
    if user.checked_at is None:
        return gist_count == 0
    return gist_count == user.gist_count and mark is not None and mark == user.sweep_mark


def without_graphql(refusals: int, *, interval: timedelta) -> timedelta:
    """Return how long REST checks a user after GraphQL failed about the user alone.

    `refusals` is the number of failures in a row. Single accounts were refused for weeks at any
    batch size (July 2026). REST tells as much about them, so there is no hurry to ask GraphQL
    again: after six hours, then once a day, and never before two intervals are over.
    """
    first, longest = (max(wait, 2 * interval) for wait in (FIRST_WITHOUT_GRAPHQL, RARELY))
    return backoff(refusals, first, longest, factor=4)


def is_past(user: User, gist: SeenGist, known: Collection[GistId]) -> bool:
    """Return whether what is new of a gist was there when its user was added.

    For a known gist, that is certain only if it was not updated since.
    """
    latest = gist.updated_at if gist.id in known else gist.created_at
    added_at = user.added_at or user.created_at
    if user.checked_at is not None:
        # GitHub cuts its times to seconds: what the first check did not show is later.
        added_at = added_at.replace(microsecond=0)
    return latest < added_at


def skipped_by_backfill(
    user: User,
    new: Sequence[SeenGist],
    *,
    known: Collection[GistId] = (),
    rows: Mapping[GistId, Sequence[Unreadable]] | None = None,
) -> Mapping[GistId, str]:
    """Return the gists with something new that the backfill rule excludes, with the reason.

    `rows` are the notes about gists that could not be read before: the decision of the rule at that
    time holds.
    """
    said = {
        gist_id: row.skipped_because
        for gist_id, noted in (rows or {}).items()
        for row in noted
        if row.skipped_because
    }
    # The rest of a stored gist was noted without a reason: the gist was not excluded before.
    let_through = {id_ for id_ in rows or {} if id_ in known and id_ not in said}
    settled = {*said, *(let_through if user.backfill.kind is BackfillKind.LATEST else ())}
    past = [gist for gist in new if gist.id not in settled and is_past(user, gist, known)]
    reason = f"older than the user's tracking, under the backfill rule {user.backfill}"
    kept_back = excluded(past, user.backfill, left=user.backfill_left)
    ids = {gist.id for gist in new}
    return dict.fromkeys(kept_back, reason) | {id_: why for id_, why in said.items() if id_ in ids}


def excluded(
    past: Sequence[SeenGist], rule: Backfill, *, left: int | None = None
) -> frozenset[GistId]:
    """Return which of these gists of the past a backfill rule excludes.

    For `latest:N`, `left` is how many gists may still be sent; None for all N.
    """
    before = sorted(past, key=_age)
    match rule.kind:
        case BackfillKind.ALL:
            kept_back: Sequence[SeenGist] = ()
        case BackfillKind.NONE:
            kept_back = before
        case BackfillKind.LATEST:
            most = (rule.count or 0) if left is None else left
            kept_back = before[: max(len(before) - most, 0)]
        case BackfillKind.SINCE:
            kept_back = [gist for gist in before if rule.since and gist.created_at < rule.since]
    return frozenset(gist.id for gist in kept_back)


def in_batches(
    gists: Sequence[Item], *, size_of: Callable[[Item], int]
) -> tuple[tuple[Item, ...], ...]:
    """Split a list into parts that are read and stored together, limited in number and in bytes."""
    batches: list[list[Item]] = []
    size = 0
    for gist in gists:
        weight = size_of(gist)
        if not batches or len(batches[-1]) == BATCH_GISTS or size + weight > BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(gist)
        size += weight
    return tuple(tuple(batch) for batch in batches)


def interval_of(user: User, *, general: timedelta, now: datetime, eager: bool) -> timedelta:
    """Return how long after a check this user is due again.

    A user with something new in the last days is checked more often, as long as `eager` says that
    the budget allows it. A user's own interval is not changed.
    """
    if user.check_interval is not None:
        return user.check_interval
    if not eager or user.found_at is None:
        return general
    quiet_for = now - user.found_at
    if quiet_for > ACTIVE_WITHIN:
        return general
    often = 6 if quiet_for <= VERY_ACTIVE_WITHIN else 3
    return min(general, max(general / often, SHORTEST_ACTIVE_INTERVAL))


def next_check(key: UserKey, *, interval: timedelta, now: datetime) -> datetime:
    """Return when a user is due next: within an interval, at the same moment as their neighbours.

    Every group of neighbours has a slot of its own in the interval, spread evenly, so that the
    load is even and a batch stays together. Long intervals have whole minutes.
    """
    spread = (key // ADJACENT * 0x9E3779B1 & 0xFFFFFFFF) / 2**32
    offset = interval * spread
    due = EPOCH + offset + ((now - EPOCH - offset) // interval + 1) * interval
    whole = due.replace(second=0, microsecond=0)
    return whole if interval >= WHOLE_MINUTES_FROM and whole > now else due


def after_failure(
    user: User, error: Exception, *, now: datetime, interval: timedelta
) -> FailedCheck:
    """Return the changes of a user's row after a failed check.

    A user that GitHub does not show is checked again after the usual interval, and rarely from the
    third time on. Any other failure is tried again after a minute, then after twice as long each
    time, up to the usual interval.
    """
    gone = isinstance(error, GitHubNotFound | GitHubBlocked)
    was_gone = user.failure_kind is FailureKind.NOT_SHOWN
    failures = user.failures + 1 if gone == was_gone else 1
    if gone:
        unavailable = failures >= UNAVAILABLE_AFTER or user.state is UserState.UNAVAILABLE
        return FailedCheck(
            failure=_reason(user, error),
            kind=FailureKind.NOT_SHOWN,
            failures=failures,
            state=UserState.UNAVAILABLE if unavailable else UserState.ACTIVE,
            next_check_at=now + (max(interval, RARELY) if unavailable else interval),
        )
    kind = FailureKind.UNREACHABLE if is_unreachable(error) else FailureKind.OTHER
    same = UserKey(error.key) if isinstance(error, SameAccount) else None
    return FailedCheck(
        failure=_reason(user, error),
        kind=kind if same is None else FailureKind.SAME_ACCOUNT,
        failures=failures,
        state=user.state,
        next_check_at=now + backoff(failures, FIRST_CHECK_RETRY, interval),
        same_account_as=same,
    )


def _age(gist: SeenGist) -> tuple[datetime, GistId]:
    return gist.created_at, gist.id


def _reason(user: User, error: Exception) -> str:
    if isinstance(error, GitHubNotFound) and not error.names_user:
        return f"GitHub has no user {user.login}"
    if isinstance(error, GitpipError):
        return str(error)
    return OWN_FAULT


def is_unreachable(error: BaseException | None) -> bool:
    """Return whether GitHub can't be reached, which can be the cause of another error."""
    return error is not None and (
        isinstance(error, GitHubUnreachable) or is_unreachable(error.__cause__)
    )
