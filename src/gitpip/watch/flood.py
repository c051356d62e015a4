"""The decision whether one reading of a user brings a flood, which a person must approve.

A reading goes from one complete list of a user's gists to the next, and can take several checks. So
what it has brought and what is still to be read count together.
"""

from collections.abc import Collection, Mapping, Sequence

from gitpip.backfill import BackfillKind
from gitpip.known_gists import KnownFile
from gitpip.model import GistId, SeenGist, User
from gitpip.watch.decide import LONGEST_LAG

FAR_MORE = 2
"""The multiple of the gists expected by the rule latest:N that is too many."""


def planned(
    listed: Sequence[SeenGist],
    known_files: Mapping[tuple[GistId, str], KnownFile],
    *,
    skipped: Collection[GistId],
    edits: bool,
) -> dict[GistId, int]:
    """Return how many files of each listed gist would be published, as far as the list shows.

    New files of the gists in `skipped` do not count. Their edits count only if `edits` are
    published.
    """
    found: dict[GistId, int] = {}
    for gist in listed:
        number = 0
        for file in gist.files:
            known = known_files.get((gist.id, file.filename))
            if known is None:
                number += gist.id not in skipped
            elif edits and file.blob_hash not in (None, "", known.blob_hash):
                number += 1
        if number:
            found[gist.id] = number
    return found


def merged_counts(*counts: Mapping[GistId, int]) -> dict[GistId, int]:
    """Return how many files each gist has, given counts that each know some of them."""
    gists = set().union(*counts)
    return {gist: max(count.get(gist, 0) for count in counts) for gist in gists}


def is_read_since_adding(user: User) -> bool:
    """Return whether all that was public when a user was added, or added again, was read once."""
    added_at = user.added_at or user.created_at
    return user.complete_until is not None and user.complete_until + LONGEST_LAG >= added_at


def is_asked_for(user: User, *, old: bool) -> bool:
    """Return whether a person asked for a gist without a limit: by the rule all or since:DATE.

    That applies to what is `old`, from before the adding, until all of it was read once.
    """
    boundless = user.backfill.kind in (BackfillKind.ALL, BackfillKind.SINCE)
    return old and boundless and not is_read_since_adding(user)


def is_flood(user: User, files: Mapping[GistId, int], *, hold_above: int) -> bool:
    """Return whether these files are far more than expected; 0 allows any number.

    They must not include gists that a person asked for without a limit.
    """
    if not hold_above or sum(files.values()) <= hold_above:
        return False
    if user.backfill.kind is BackfillKind.LATEST and not is_read_since_adding(user):
        return len(files) > FAR_MORE * (user.backfill.count or 0)
    return True
