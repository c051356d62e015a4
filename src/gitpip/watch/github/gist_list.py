"""A user's list of gists, as the pages of GitHub's REST API show it, and its list tag."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from gitpip.clock import EPOCH, whole_seconds
from gitpip.model import Account, GistId, GitHubId, SeenGist
from gitpip.watch.github.rest_models import parse_gists
from gitpip.watch.github.transport import GitHubAnswer

GISTS_PER_REQUEST = 100
SINCE_OVERLAP = timedelta(minutes=10)
BURST = timedelta(seconds=2)
LIST_TAG_LENGTH = 300


@dataclass(frozen=True)
class GistList:
    """A user's public gists without contents: all of them, or those that changed recently."""

    gists: tuple[SeenGist, ...]
    owner: Account | None
    """The owner named by the gists, or None if there is no gist."""
    list_tag: str | None
    """The tag for the next `gists`, once everything in this list is stored."""
    whole: bool
    """Whether a gist that is not in it is no longer a public gist of the user."""
    odd: Mapping[GistId, str] = field(default_factory=dict)
    """Gists that could not be interpreted in the list, with the reason. Requested alone they may
    be."""
    fault: str | None = None
    """The reason why parts of the list could not be read: a page, or items without an id."""
    as_of: datetime | None = None
    """The time of the answer by GitHub's clock, or None if it was not told or the list kept
    changing."""
    unchanged: bool = False
    """Whether it is the same as when it gave the list tag. Then the other fields are empty."""


class SeenList:
    """The part of a user's list of gists that the pages have shown so far."""

    def __init__(self, github_id: GitHubId) -> None:
        self.gists: dict[GistId, SeenGist] = {}
        self.fault_of_pages: str | None = None
        self._github_id = github_id
        self._owner: Account | None = None
        self._odd: dict[GistId, str] = {}
        self._without_id: set[str] = set()

    def add(self, page: GitHubAnswer) -> None:
        """Take in a page; raises GitHubUnavailable if it is not a list."""
        items, odd = parse_gists(page)
        for item in items:
            owner = item.owner
            if owner and owner.id == self._github_id and self._owner is None:
                self._owner = Account(owner.login, self._github_id, owner.node_id)
            # With a token of the user's own, GitHub also lists secret gists.
            if item.public and (owner is None or owner.id == self._github_id):
                self.gists[GistId(item.id)] = item.seen(self._github_id)
        for one in odd:
            if one.gist_id is None:
                self._without_id.add(one.reason)
            else:
                self._odd[one.gist_id] = f"GitHub's list has an invalid entry for it: {one.reason}"

    def as_list(
        self, list_tag: str | None, *, whole: bool, as_of: datetime | None = None
    ) -> GistList:
        """Return everything seen as one list."""
        faults = [self.fault_of_pages] if self.fault_of_pages else []
        if self._without_id:
            faults.append(f"items without an id: {'; '.join(sorted(self._without_id))}")
        return GistList(
            gists=tuple(self.gists.values()),
            owner=self._owner,
            list_tag=list_tag,
            whole=whole,
            odd={id_: reason for id_, reason in self._odd.items() if id_ not in self.gists},
            fault="; ".join(faults) or None,
            as_of=as_of,
        )


@dataclass(frozen=True)
class ListTag:
    """The condition of the next request for a list: the token, the request, and its ETag."""

    fingerprint: str
    since: datetime | None
    read_at: datetime
    etag: str | None

    def text(self) -> str | None:
        """Return the list tag as it is stored, or None if it can't be."""
        since = whole_seconds(self.since) if self.since else ""
        text = f"{self.fingerprint}|{since}|{self.read_at.isoformat()}|{self.etag}"
        return text if self.etag and len(text) <= LIST_TAG_LENGTH else None

    @classmethod
    def parse(cls, text: str | None, fingerprint: str) -> Self | None:
        try:
            given_to, since, read_at, etag = (text or "").split("|", 3)
            if given_to != fingerprint:
                return None
            return cls(
                fingerprint,
                datetime.fromisoformat(since) if since else None,
                datetime.fromisoformat(read_at),
                etag,
            )
        except ValueError:
            return None


def since_of(server_now: datetime | None, updates: list[datetime]) -> datetime | None:
    """Return the earliest safe time since which few enough gists were updated for one page, if any.

    The best is some time before the list was read. After a burst of updates at that moment, it is
    the newest of them, or the second after it, once the server's own clock has passed that one.
    """
    newest = max(updates, default=EPOCH)
    candidates = [newest]
    if server_now:
        candidates.insert(0, server_now - SINCE_OVERLAP)
        if server_now >= newest + BURST:
            candidates.append(newest + timedelta(seconds=1))
    for since in candidates:
        if sum(update >= since for update in updates) < GISTS_PER_REQUEST:
            return since
    return None
