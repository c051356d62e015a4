"""Grouping of claimed publications that go out as one activity of their gist, without I/O."""

from collections import defaultdict
from collections.abc import Sequence

from gitpip.model import GistId, Publication
from gitpip.store.publications.parts import MAX_FILES

SentTogether = tuple[Publication, tuple[Publication, ...]]
"""A claim, and the others of its gist that go out with it."""


def grouped(claims: Sequence[Publication]) -> tuple[SentTogether, ...]:
    """Return the claims, grouped by gist if they were never sent; the oldest is the first.

    An edit is an activity of its own. So is a publication that was sent before: its files are
    already settled.
    """
    of_gists: defaultdict[GistId, list[Publication]] = defaultdict(list)
    found: list[SentTogether] = []
    for claim in claims:
        if claim.sent_at is None and claim.revision == 1:
            of_gists[claim.gist_id].append(claim)
        else:
            found.append((claim, ()))
    for group in of_gists.values():
        group.sort(key=lambda claim: claim.id)
        for start in range(0, len(group), MAX_FILES):
            first, *others = group[start : start + MAX_FILES]
            found.append((first, tuple(others)))
    return tuple(found)
