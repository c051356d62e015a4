"""The knowledge of one check of a user: from the store, and from GitHub."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from gitpip.clock import EPOCH
from gitpip.known_gists import KnownFile, KnownGist
from gitpip.model import GistId, GitHubId, SeenGist, Unreadable, User
from gitpip.store.gists import unreadable
from gitpip.watch import decide
from gitpip.watch.github.contents import GistToRead
from gitpip.watch.github.gist_list import GistList
from gitpip.watch.github.graphql import Snapshot


@dataclass(frozen=True)
class StoredGists:
    """The stored gists and files of a user."""

    gists: Mapping[GistId, KnownGist]
    files: Mapping[tuple[GistId, str], KnownFile]
    unread: tuple[Unreadable, ...]
    retries: decide.Retries

    @cached_property
    def hashes(self) -> Mapping[GistId, Mapping[str, str]]:
        """The blob hashes of the stored files, by gist and name."""
        found: dict[GistId, dict[str, str]] = {}
        for (gist_id, name), file in self.files.items():
            found.setdefault(gist_id, {})[name] = file.blob_hash
        return found

    @property
    def there(self) -> set[GistId]:
        """The gists that GitHub shows, as far as known, whether they could be read or not."""
        stored = {gist_id for gist_id, gist in self.gists.items() if not gist.deleted}
        return stored | {row.gist_id for row in self.unread if row.gist_id}

    def doubt_after(
        self,
        snapshot: Snapshot | None,
        listed: GistList,
        there: Collection[GistId],
        now: datetime,
        *,
        graphql_answers: bool,
    ) -> str | None:
        """Return why the list is doubted, if GraphQL showed something that the list does not.

        Without another snapshot the doubt stays until GraphQL answers, or, if it can't be asked
        about the user, until every cached list must have expired.
        """
        if snapshot is None:
            before = next((row for row in self.unread if row.filename == unreadable.DOUBT), None)
            recent = before and now - before.first_failed_at < 2 * decide.LONGEST_LAG
            return before.reason if before and (recent or graphql_answers) else None
        shown: dict[GistId, datetime | None] = {id_: g.updated_at for id_, g in self.gists.items()}
        shown |= {row.gist_id: None for row in self.unread if row.gist_id not in shown}
        shown |= dict.fromkeys(listed.odd)
        shown |= {gist.id: gist.updated_at for gist in listed.gists}
        is_whole = listed.whole and not listed.fault and listed.as_of is not None
        return decide.unexplained(
            snapshot.newest,
            snapshot.gist_count,
            shown=shown,
            there=there,
            complete_until=decide.known_until(listed.as_of) if is_whole and listed.as_of else None,
        )

    def wanted(self, user_id: GitHubId, gist_id: GistId, listed: SeenGist | None) -> GistToRead:
        """Return the order to read a gist, with what is known of it."""
        return GistToRead(
            gist_id,
            user_id,
            listed,
            known=self.hashes.get(gist_id, {}),
            failed={row.filename: row.failures for row in self.unread if row.gist_id == gist_id},
        )

    def in_turn(self, gist_ids: Iterable[GistId], listed: GistList) -> list[GistId]:
        """Return gists that failed before, in the order in which they are tried again.

        Those that failed least often come first, so that each has its turn, however many always
        fail. The newest of these come first.
        """
        created = {gist.id: gist.created_at for gist in listed.gists}
        failures = {row.gist_id: row.failures for row in self.unread}
        newest_first = sorted(
            gist_ids, key=lambda id_: (created.get(id_, EPOCH), id_), reverse=True
        )
        return sorted(newest_first, key=lambda id_: failures.get(id_, 0))

    def too_recent(self, asked: Iterable[GistId], listed: GistList) -> set[GistId]:
        """Return which of these gists were updated so recently that the list may be older.

        An answer that lags does not show them, though they exist. The age of a list without a time
        is unknown.
        """
        oldest = decide.known_until(listed.as_of) if listed.as_of else EPOCH
        return {
            gist_id
            for gist_id in asked
            if gist_id in self.gists and self.gists[gist_id].updated_at > oldest
        }

    @property
    def in_doubt(self) -> list[GistId]:
        """Stored gists that are tried again, and may no longer exist."""
        return sorted(
            gist_id
            for gist_id in self.retries.gists
            if (gist := self.gists.get(gist_id)) and not gist.deleted
            if any(row.gist_id == gist_id and not row.filename for row in self.unread)
        )

    def in_question(self, listed: GistList) -> list[GistId]:
        """Return the doubtful gists that the list does not name, unless they failed in part."""
        named = listed.odd.keys() | {gist.id for gist in listed.gists}
        return [gist_id for gist_id in self.in_doubt if gist_id not in named]


@dataclass(frozen=True)
class Doubts:
    """The results for known gists that the list no longer names."""

    gone: tuple[GistId, ...]
    there: tuple[GistId, ...]
    unclear: Mapping[GistId, str]
    """The reasons why the result is unknown."""

    @property
    def settled(self) -> Collection[GistId]:
        """The ids of gists that must not be read now."""
        return {*self.gone, *self.unclear}


@dataclass(frozen=True)
class UserCheckResult:
    """The result of a check of a user."""

    asked_at: datetime
    listed: GistList
    snapshot: Snapshot | None
    there: Collection[GistId]
    """The gists that GitHub shows."""
    doubt: str | None
    """The reason why the list may lag."""

    @property
    def list_told(self) -> bool:
        """Whether REST showed the list, as unchanged or with recent changes."""
        return self.listed.unchanged or self.listed.whole or not self.listed.fault

    @property
    def list_read(self) -> bool:
        return self.listed.whole and not self.listed.fault

    @property
    def still_unread(self) -> Collection[str]:
        """The parts of the list that stay recorded as unread."""
        return {*([] if self.list_read else [""]), *([unreadable.DOUBT] if self.doubt else [])}

    def mark(self, user: User) -> str | None:
        """Return GraphQL's mark if the list explains it; otherwise the mark is of no use."""
        return self.snapshot.mark if self.snapshot and not self.doubt else user.sweep_mark
