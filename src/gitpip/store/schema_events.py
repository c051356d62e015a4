"""The table of events, for people and programs that follow them."""

from enum import StrEnum

from sqlalchemy import Column, Index, String, Table, Text

from gitpip.store.column_types import Key, OneOfOrText, UTCDateTime
from gitpip.store.schema import metadata


class EventKind(StrEnum):
    """The kind of an event."""

    GIST_FOUND = "gist.found"
    GIST_EDITED = "gist.edited"
    GIST_DELETED = "gist.deleted"
    GIST_UNREADABLE = "gist.unreadable"
    FILE_REMOVED = "file.removed"
    PUBLICATIONS_HELD = "publications.held"
    PUBLICATIONS_APPROVED = "publications.approved"
    PUBLICATIONS_SKIPPED = "publications.skipped"
    PUBLICATIONS_QUEUED = "publications.queued"
    PUBLICATIONS_RETRIED = "publications.retried"
    PUBLICATION_PUBLISHED = "publication.published"
    PUBLICATION_FAILED = "publication.failed"
    PUBLICATION_WITHDRAWN = "publication.withdrawn"
    PUBLICATION_KEPT = "publication.kept"
    DEAL_DELETED = "deal.deleted"
    DEAL_KEPT = "deal.kept"
    DEAL_DRIFTED = "deal.drifted"
    TARGET_UNUSABLE = "target.unusable"
    UNDO_STOPPED = "undo.stopped"
    USER_ADDED = "user.added"
    USER_PAUSED = "user.paused"
    USER_RESUMED = "user.resumed"
    USER_RENAMED = "user.renamed"
    USER_MODE_CHANGED = "user.mode_changed"
    USER_UNAVAILABLE = "user.unavailable"
    USER_AVAILABLE = "user.available"
    PUBLISHING_PAUSED = "publishing.paused"
    PUBLISHING_RESUMED = "publishing.resumed"
    PUBLISHING_MODE_CHANGED = "publishing.mode_changed"
    ACCOUNT_SWITCHED = "account.switched"
    RULE_ADDED = "rule.added"
    RULE_CHANGED = "rule.changed"
    RULE_MOVED = "rule.moved"
    RULE_REMOVED = "rule.removed"
    WATCHING_PAUSED = "watching.paused"
    WATCHING_RESUMED = "watching.resumed"
    SWEEPING_PAUSED = "sweeping.paused"
    SWEEPING_RESUMED = "sweeping.resumed"
    READING_PAUSED = "reading.paused"
    READING_RESUMED = "reading.resumed"
    EXAMINING_PAUSED = "examining.paused"
    EXAMINING_RESUMED = "examining.resumed"


# Events are written in the transaction in which they happen. Only their user's key changes, if
# another row replaces the user's. Those of a removed user are deleted when the user is added again.
# There are no foreign keys: checking them would lock the row of the user in an order that no other
# transaction keeps.
events = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("happened_at", UTCDateTime, nullable=False),
    Column("kind", OneOfOrText(EventKind, 40), nullable=False),
    Column("user_key", Key),
    Column("gist_id", String(64)),
    Column("publication_id", Key),
    Column("detail", Text),
    Index("ix_events_happened_at", "happened_at"),
    Index("ix_events_user_key", "user_key", "id"),
    Index("ix_events_kind", "kind", "id"),
    # An id is never used again, also after all events were deleted.
    sqlite_autoincrement=True,
)
