"""What is to be read of a user in one look, and what the rules say of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from gitpip.model import CheckId, GistId, SeenGist, Unreadable, User
from gitpip.store.gists.unreadable import Failure
from gitpip.store.publications.publications import NewPublication
from gitpip.watch import decide, flood
from gitpip.watch.github.contents import Wanted


@dataclass(frozen=True)
class Task:
    """What is to be read of a user in one look."""

    user: User
    """The row as it was when it was claimed."""
    check_id: CheckId
    wanted: Sequence[Wanted]
    skipped: Mapping[GistId, str] = field(default_factory=dict)
    """The listed gists that the backfill rule keeps from the CRM, and why."""
    known: Collection[GistId] = ()
    """The gists that are stored."""
    unread: Sequence[Unreadable] = ()
    """What could not be read of the user before."""
    planned: Mapping[GistId, int] = field(default_factory=dict)
    """How many files of each listed gist are to be published, without those that a person chose."""
    again: Collection[GistId] = ()
    """Those of the wanted that failed before: they are read once the others were tried."""

    def judged(self, locked: User, found: Sequence[SeenGist]) -> Mapping[GistId, str]:
        """Which of these gists the backfill rule keeps from the CRM, and why.

        `locked` is the user as the row is now. Gists that no list showed are judged only here.
        """
        late = [gist for gist in found if gist.id not in self._listed]
        judged = decide.skipped_by_backfill(locked, late, known=self.known, rows=self.rows)
        return {**self.skipped, **judged}

    def is_old(self, gist: SeenGist) -> bool:
        """Whether what is new of a gist was there when its user was added."""
        return decide.is_past(self.user, gist, self.known)

    def counts(self, locked: User, publication: NewPublication) -> bool:
        """Whether it counts towards a flood: it is to be published, and nobody asked for it."""
        return publication.skipped_because is None and not flood.is_asked_for(
            locked, old=publication.backfill
        )

    def held(
        self, locked: User, new: Sequence[NewPublication], because: str | None
    ) -> list[NewPublication]:
        """The `new` ones, held `because` of a flood, or as their gist is held already."""
        before = {row.gist_id: row.held_because for row in self.unread if row.held_because}
        reasons = [before.get(one.gist_id, because) for one in new]
        return [
            replace(one, held_because=reason) if self.counts(locked, one) else one
            for one, reason in zip(new, reasons, strict=True)
        ]

    def held_failures(self, failures: Sequence[Failure], because: str | None) -> list[Failure]:
        """The `failures`, marked to be held once they can be read, as part of a flood."""
        return [
            replace(one, held_because=because) if one.gist_id in self.planned else one
            for one in failures
        ]

    def failure(
        self, gist_id: GistId, filename: str, reason: str, *, lags: bool = False
    ) -> Failure:
        """The note of something that could not be read."""
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
