"""The gists to read in one check of a user, and what the rules say about them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from gitpip.model import CheckId, GistId, SeenGist, Unreadable, User
from gitpip.store.gists.unreadable import Failure
from gitpip.store.publications.publications import NewPublication
from gitpip.watch import decide, flood
from gitpip.watch.github.contents import GistToRead


@dataclass(frozen=True)
class Task:
    """The gists to read in one check of a user."""

    user: User
    """The row as it was when it was claimed."""
    check_id: CheckId
    wanted: Sequence[GistToRead]
    skipped: Mapping[GistId, str] = field(default_factory=dict)
    """The listed gists that the backfill rule excludes, with the reason."""
    known: Collection[GistId] = ()
    """The gists that are stored."""
    unread: Sequence[Unreadable] = ()
    """The gists and files of the user that could not be read before."""
    planned: Mapping[GistId, int] = field(default_factory=dict)
    """The number of files of each listed gist to be published, except those that a person chose."""
    again: Collection[GistId] = ()
    """The wanted gists that failed before. They are read after the others."""

    def judged(self, locked: User, found: Sequence[SeenGist]) -> Mapping[GistId, str]:
        """Return which of these gists the backfill rule excludes, with the reason.

        `locked` is the current row of the user. Gists that no list showed are only judged here.
        """
        late = [gist for gist in found if gist.id not in self._listed]
        judged = decide.skipped_by_backfill(locked, late, known=self.known, rows=self.rows)
        return {**self.skipped, **judged}

    def is_old(self, gist: SeenGist) -> bool:
        """Return whether what is new of a gist existed when its user was added."""
        return decide.is_past(self.user, gist, self.known)

    def counts(self, locked: User, publication: NewPublication) -> bool:
        """Return whether it counts towards a flood: to be published, and not asked for."""
        return publication.skipped_because is None and not flood.is_asked_for(
            locked, old=publication.backfill
        )

    def held(
        self, locked: User, new: Sequence[NewPublication], because: str | None
    ) -> list[NewPublication]:
        """Return the `new` ones, held `because` of a flood, or if their gist is held already."""
        before = {row.gist_id: row.held_because for row in self.unread if row.held_because}
        reasons = [before.get(one.gist_id, because) for one in new]
        return [
            replace(one, held_because=reason) if self.counts(locked, one) else one
            for one, reason in zip(new, reasons, strict=True)
        ]

    def held_failures(self, failures: Sequence[Failure], because: str | None) -> list[Failure]:
        """Return the `failures`, marked to be held once they can be read, as part of a flood."""
        return [
            replace(one, held_because=because) if one.gist_id in self.planned else one
            for one in failures
        ]

    def failure(
        self, gist_id: GistId, filename: str, reason: str, *, lags: bool = False
    ) -> Failure:
        """Return the record of something that could not be read."""
        return Failure(
            gist_id,
            filename,
            reason,
            skipped_because=self.skipped.get(gist_id),
            lags=lags,
        )

    @cached_property
    def rows(self) -> Mapping[GistId, Sequence[Unreadable]]:
        rows: dict[GistId, list[Unreadable]] = {}
        for row in self.unread:
            rows.setdefault(row.gist_id, []).append(row)
        return rows

    @cached_property
    def _listed(self) -> Collection[GistId]:
        return {one.gist_id for one in self.wanted if one.listed}
