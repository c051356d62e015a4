"""A user's list of gists as the pages of GitHub's REST API show it, and its list tag."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from gitpip.clock import EPOCH
from gitpip.model import Account, GistId, GitHubId, SeenGist
from gitpip.watch.github.rest_models import parse_gists
from gitpip.watch.github.transport import Answer

PAGE_SIZE = 100
OVERLAP = timedelta(minutes=10)
BURST = timedelta(seconds=2)
LIST_TAG_LENGTH = 300


@dataclass(frozen=True)
class GistList:
    """A user's public gists, without contents: all of them, or those that changed lately."""

    gists: tuple[SeenGist, ...]
    owner: Account | None
    """The owner as the gists name them; None when there is no gist."""
    list_tag: str | None
    """To be given to the next `gists`, once everything in this list is stored."""
    whole: bool
    """Whether a gist that is not in it is none of the user's public ones any more."""
    odd: Mapping[GistId, str] = field(default_factory=dict)
    """Gists of which the list makes no sense, with the reason: asked for alone they may."""
    fault: str | None = None
    """Why parts of the list could not be read: a page, or items that do not even have an id."""
    as_of: datetime | None = None
    """When GitHub gave it, by GitHub's clock; None where that was not told, or the list did not
    keep still."""
    unchanged: bool = False
    """Whether it is as it was when it gave the list tag: then nothing else is told."""


class SeenList:
    """What the pages of a user's list of gists showed so far."""

    def __init__(self, github_id: GitHubId) -> None:
        self.gists: dict[GistId, SeenGist] = {}
        self.fault_of_pages: str | None = None
        self._github_id = github_id
        self._owner: Account | None = None
        self._odd: dict[GistId, str] = {}
        self._without_id: set[str] = set()

    def add(self, page: Answer) -> None:
        """Take in a page; raises GitHubUnavailable where it is no list."""
        items, odd = parse_gists(page)
        for item in items:
            owner = item.owner
            if owner and owner.id == self._github_id and self._owner is None:
                self._owner = Account(owner.login, self._github_id, owner.node_id)
            # With a token of the user's own, GitHub lists secret gists as well.
            if item.public and (owner is None or owner.id == self._github_id):
                self.gists[GistId(item.id)] = item.seen(self._github_id)
        for one in odd:
            if one.gist_id is None:
                self._without_id.add(one.reason)
            else:
                self._odd[one.gist_id] = f"GitHub's list makes no sense of it: {one.reason}"

    def as_list(
        self, list_tag: str | None, *, whole: bool, as_of: datetime | None = None
    ) -> GistList:
        """All of it as one list."""
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
    """What makes the next request for a list conditional: under which token, what, and its ETag."""

    fingerprint: str
    since: datetime | None
    read_at: datetime
    etag: str | None

    def text(self) -> str | None:
        """The list tag as it is stored; None where it can't be."""
        since = f"{self.since:%Y-%m-%dT%H:%M:%SZ}" if self.since else ""
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
    """The earliest safe time from which few enough gists were updated for one page, if any.

    Best is some time before the list was read. After a burst of updates just then, the newest of
    them has to do, or the second after it, once the server's own clock has passed that one.
    """
    newest = max(updates, default=EPOCH)
    candidates = [newest]
    if server_now:
        candidates.insert(0, server_now - OVERLAP)
        if server_now >= newest + BURST:
            candidates.append(newest + timedelta(seconds=1))
    for since in candidates:
        if sum(update >= since for update in updates) < PAGE_SIZE:
            return since
    return None
