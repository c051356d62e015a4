"""The choice of an undo, as a condition on publications."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Select, and_, or_, select

from gitpip.model import CheckId, PublicationId, PublicationState, UserKey
from gitpip.store.publications import forgotten_activities
from gitpip.store.publications.delivered import NOTHING_SENT, SENT
from gitpip.store.publications.undone import WITHDRAWN
from gitpip.store.schema import publications, users
from gitpip.store.schema_undo import UndoScope
from gitpip.store.users.imports import ImportId
from gitpip.store.visibility import of_tracked

MAX_NAMED_NUMBERS = 5
"""The most numbers that the subject names."""


@dataclass(frozen=True)
class UndoChoice:
    """The choice of an undo: what a check or an import caused, all of a user, or some by number."""

    subject: str
    """The choice in words, as `check 12`."""
    check_id: CheckId | None = None
    import_id: ImportId | None = None
    user_key: UserKey | None = None
    ids: tuple[PublicationId, ...] = ()
    which: UndoScope = UndoScope.ALL
    """The activities that are meant of what a person had sent again."""
    with_deals: bool = False
    """Whether deals that gitpip made and that are empty after it are deleted, too."""

    @property
    def condition(self) -> ColumnElement[bool]:
        """The choice as a condition on publications."""
        wanted = [of_tracked(publications.c.user_key)]
        if self.check_id is not None:
            wanted += [publications.c.check_id == self.check_id, _was_caused]
        if self.import_id is not None:
            imported = select(users.c.key).where(users.c.import_id == self.import_id)
            wanted += [publications.c.user_key.in_(imported), _was_caused]
        if self.user_key is not None:
            wanted.append(publications.c.user_key == self.user_key)
        if self.ids:
            wanted.append(publications.c.id.in_(self.ids))
        if self.which is not UndoScope.ALL:
            wanted.append(forgotten_activities.has_earlier())
        if self.which is UndoScope.EARLIER:
            wanted.append(publications.c.state == PublicationState.PUBLISHED.value)
        return and_(*wanted)

    @property
    def user_keys(self) -> Select[tuple[int]]:
        """The query of the users of what is, or was, undone of it."""
        is_undone = publications.c.state == WITHDRAWN
        return select(publications.c.user_key).where(
            replace(self, which=UndoScope.ALL).condition, or_(may_be_undone, is_undone)
        )


# An activity that was adopted when the file was found had been in Pipedrive before: neither a check
# nor an import caused it.
_was_caused = or_(
    publications.c.state != PublicationState.PUBLISHED.value,
    publications.c.sent_at.is_not(None),
    publications.c.published_at > publications.c.queued_at,
)
may_be_undone = publications.c.state.in_((*SENT, *NOTHING_SENT))


def of_check(check_id: CheckId) -> UndoChoice:
    """Return the choice of what a check has caused."""
    return UndoChoice(f"check {check_id}", check_id=check_id)


def of_import(import_id: ImportId) -> UndoChoice:
    """Return the choice of what the users that an import added have caused."""
    return UndoChoice(f"import {import_id}", import_id=import_id)


def of_user(login: str, user_key: UserKey) -> UndoChoice:
    """Return the choice of all of a user."""
    return UndoChoice(f"user {login}", user_key=user_key)


def of_ids(ids: Sequence[PublicationId]) -> UndoChoice:
    """Return the choice of some publications by their numbers."""
    each = tuple(dict.fromkeys(ids))
    named = ", ".join(map(str, each[:MAX_NAMED_NUMBERS])) + (
        ", ..." if len(each) > MAX_NAMED_NUMBERS else ""
    )
    return UndoChoice(f"file{'s' if len(each) > 1 else ''} {named}", ids=each)
