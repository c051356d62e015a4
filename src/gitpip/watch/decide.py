"""Which gists are new, which of them are published, and when a user is looked at again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitpip.errors import GitHubBlocked, GitHubNotFound, GitpipError
from gitpip.model import BackfillKind, GistId, SeenGist, User, UserState

FIRST_RETRY = timedelta(minutes=1)
LOOKS_IN_VAIN = 3
"""So often in a row must GitHub not show a user: flagged accounts vanish for a while."""
RARELY = timedelta(days=1)
BATCH_GISTS = 30
BATCH_BYTES = 32 * 1024 * 1024
NOT_SHOWN = "not shown by GitHub: "


@dataclass(frozen=True)
class Setback:
    """What a failed look makes of a user's row. Times are UTC."""

    failure: str
    failures: int
    """How many failures of this sort there were in a row, this one included."""
    state: UserState
    next_check_at: datetime


def new_gists(
    listed: Sequence[SeenGist],
    known_gists: Collection[GistId],
    known_files: Collection[tuple[GistId, str]],
) -> tuple[SeenGist, ...]:
    """The listed gists that hold something the store has not, oldest first.

    A file is known by its gist and name: an edit of its content makes it no new file.
    """
    new = [
        gist
        for gist in listed
        if gist.id not in known_gists
        or any((gist.id, file.filename) not in known_files for file in gist.files)
    ]
    return tuple(sorted(new, key=_age))


def not_published(user: User, listed: Sequence[SeenGist]) -> Mapping[GistId, str]:
    """The gists of a user's first list that the backfill rule keeps from the CRM, and why.

    The rule is about what existed when the user was added; later gists are always published. It
    depends on nothing that a part of the list could change, so it can be applied in batches.
    """
    if user.checked_at is not None:
        return {}
    before = sorted((gist for gist in listed if gist.created_at < user.created_at), key=_age)
    rule = user.backfill
    match rule.kind:
        case BackfillKind.ALL:
            left_out: Sequence[SeenGist] = ()
        case BackfillKind.NONE:
            left_out = before
        case BackfillKind.LATEST:
            left_out = before[: max(len(before) - (rule.count or 0), 0)]
        case BackfillKind.SINCE:
            left_out = [gist for gist in before if rule.since and gist.created_at < rule.since]
    reason = f"older than the user's tracking, under the backfill rule {rule}"
    return {gist.id: reason for gist in left_out}


def in_batches(gists: Sequence[SeenGist]) -> tuple[tuple[SeenGist, ...], ...]:
    """Cut a list into what is read and stored together, bounded in number and in size."""
    batches: list[list[SeenGist]] = []
    size = 0
    for gist in gists:
        weight = sum(file.size for file in gist.files)
        if not batches or len(batches[-1]) == BATCH_GISTS or size + weight > BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(gist)
        size += weight
    return tuple(tuple(batch) for batch in batches)


def after_success(*, started_at: datetime, interval: timedelta) -> datetime:
    """When a user is due again: an interval after the check began, together with its others."""
    return started_at + interval


def after_failure(user: User, error: Exception, *, now: datetime, interval: timedelta) -> Setback:
    """What a failed look makes of the user's row.

    A user whom GitHub does not show is looked at again after the usual interval, and rarely from
    the third time on. Any other failure is tried again after a minute, then after twice as long
    each time, up to the usual interval.
    """
    gone = isinstance(error, GitHubNotFound | GitHubBlocked)
    failure = f"{NOT_SHOWN if gone else ''}{_reason(error)}"
    same_sort = gone == (user.failure or "").startswith(NOT_SHOWN)
    failures = user.failures + 1 if same_sort else 1
    if gone:
        unavailable = failures >= LOOKS_IN_VAIN or user.state is UserState.UNAVAILABLE
        return Setback(
            failure=failure,
            failures=failures,
            state=UserState.UNAVAILABLE if unavailable else UserState.ACTIVE,
            next_check_at=now + (max(interval, RARELY) if unavailable else interval),
        )
    return Setback(
        failure=failure,
        failures=failures,
        state=user.state,
        next_check_at=now + min(FIRST_RETRY * 2 ** min(failures - 1, 20), interval),
    )


def _age(gist: SeenGist) -> tuple[datetime, GistId]:
    return gist.created_at, gist.id


def _reason(error: Exception) -> str:
    if isinstance(error, GitpipError):
        return str(error)
    return f"a fault of gitpip's own, {type(error).__name__}; the log has more"
