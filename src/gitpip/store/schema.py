"""Tables, keys and constraints, which make forbidden states impossible."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    func,
    literal_column,
    or_,
    text,
)

from gitpip.model import FailureKind, PublicationState, UserState
from gitpip.modes import HeldBecause, PublishingMode
from gitpip.store.column_types import (
    AnyTarget,
    Flag,
    Key,
    Lines,
    OneOf,
    OneOfOr,
    Rule,
    Seconds,
    UTCDateTime,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("login", String(100), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("github_id", BigInteger, unique=True),
    Column("node_id", String(100)),
    Column("former_login", String(100)),
    Column("backfill", Rule(60), nullable=False),
    Column("state", OneOf(UserState, 20), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("removed_at", UTCDateTime),
    # The import that added the user.
    Column("import_id", Key, index=True),
    # By GitHub's clock, unless it is still ours; created_at if it is empty.
    Column("added_at", UTCDateTime),
    Column("added_by_our_clock", Flag, nullable=False, server_default=text("0")),
    # The number of existing gists that the rule latest:N still lets through.
    Column("backfill_left", Integer),
    Column("check_interval", Seconds),
    Column("next_check_at", UTCDateTime, nullable=False),
    Column("hinted_at", UTCDateTime),
    Column("claimed_by", String(40)),
    Column("claimed_until", UTCDateTime),
    Column("checked_at", UTCDateTime),
    Column("complete_until", UTCDateTime),
    # The time when REST last showed the list of gists, by GitHub's clock.
    Column("listed_at", UTCDateTime),
    Column("gist_count", Integer),
    Column("sweep_mark", String(64)),
    # GraphQL failed about this user alone: how often in a row, and until when REST is asked.
    Column("graphql_refusals", Integer, nullable=False, server_default=text("0")),
    Column("graphql_refused_until", UTCDateTime),
    Column("found_at", UTCDateTime),
    Column("found_key", Key),
    # A key of the inbox that no gist has, from when the user was tracked again; else NULL.
    Column("returned_key", Key),
    Column("etag", String(300)),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("failure", Text),
    # The kind of `failure`, and the tracked user whose account it is: valid only together with it.
    Column("failure_kind", OneOfOr(FailureKind, 20, other=FailureKind.OTHER)),
    Column("same_account_as", Key),
    Column("last_sequence", BigInteger, nullable=False, server_default=text("0")),
    # NULL for the general mode.
    Column("publishing_mode", OneOf(PublishingMode, 20)),
)
# Partial indexes need these; queries take them from gitpip.store.visibility.
tracked = users.c.removed_at.is_(None)
removed = users.c.removed_at.is_not(None)
Index(
    "uq_users_login",
    func.lower(users.c.login),
    unique=True,
    sqlite_where=tracked,
    postgresql_where=tracked,
)
Index(
    "uq_users_external_id",
    users.c.external_id,
    unique=True,
    sqlite_where=tracked,
    postgresql_where=tracked,
)
# Literal, not bound: otherwise no database sees that a query fits a partial index.
watched = and_(tracked, users.c.state != literal_column("'paused'"))
Index(
    "ix_users_due",
    users.c.next_check_at,
    users.c.key,
    sqlite_where=watched,
    postgresql_where=watched,
)
Index(
    "ix_users_hinted",
    users.c.hinted_at,
    sqlite_where=users.c.hinted_at.is_not(None),
    postgresql_where=users.c.hinted_at.is_not(None),
)
Index(
    "ix_users_claimed_by",
    users.c.claimed_by,
    sqlite_where=users.c.claimed_by.is_not(None),
    postgresql_where=users.c.claimed_by.is_not(None),
)
# Counts how up to date the active users are without reading their rows.
active = and_(watched, users.c.state == literal_column("'active'"))
Index(
    "ix_users_publishing_mode",
    users.c.publishing_mode,
    sqlite_where=users.c.publishing_mode.is_not(None),
    postgresql_where=users.c.publishing_mode.is_not(None),
)
# A user that GitHub does not show counts as well: nothing of them is known since then.
Index(
    "ix_users_known",
    users.c.complete_until,
    users.c.state,
    sqlite_where=watched,
    postgresql_where=watched,
)
Index(
    "ix_users_listed",
    func.coalesce(users.c.listed_at, users.c.created_at),
    sqlite_where=active,
    postgresql_where=active,
)
# Their marks are from a gitpip that did not compare what GraphQL shows with REST's list.
not_compared = and_(
    active,
    users.c.listed_at.is_(None),
    users.c.sweep_mark.is_not(None),
    users.c.gist_count > literal_column("0"),
)
Index(
    "ix_users_not_compared",
    users.c.created_at,
    sqlite_where=not_compared,
    postgresql_where=not_compared,
)
Index(
    "ix_users_removed_login",
    func.lower(users.c.login),
    sqlite_where=removed,
    postgresql_where=removed,
)
Index(
    "ix_users_failing",
    users.c.key,
    sqlite_where=users.c.failure.is_not(None),
    postgresql_where=users.c.failure.is_not(None),
)
Index(
    "ix_users_returned_key",
    users.c.returned_key,
    sqlite_where=users.c.returned_key.is_not(None),
    postgresql_where=users.c.returned_key.is_not(None),
)
Index("ix_users_complete_until", users.c.complete_until)
Index("ix_users_removed", users.c.key, sqlite_where=removed, postgresql_where=removed)
# Finds the few users whose last check failed without reading the others.
troubled = and_(watched, users.c.failure.is_not(None))
Index(
    "ix_users_troubled",
    users.c.state,
    users.c.complete_until,
    sqlite_where=troubled,
    postgresql_where=troubled,
)
Index("ix_users_found_at", users.c.found_at, users.c.key)
Index("ix_users_found_key", users.c.found_key)
Index("ix_users_checked_at", users.c.checked_at)

# In lower case; users.former_login shows the last one as it was written.
former_logins = Table(
    "former_logins",
    metadata,
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), primary_key=True),
    Column("login", String(100), primary_key=True),
    Index("ix_former_logins_login", "login"),
)

user_tags = Table(
    "user_tags",
    metadata,
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(50), primary_key=True),
    Index("ix_user_tags_tag", "tag"),
)

deals = Table(
    "deals",
    metadata,
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), primary_key=True),
    Column("state", OneOf(PublicationState, 20), nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("looks", Integer, nullable=False, server_default=text("0")),
    Column("token", String(40)),
    Column("lease_until", UTCDateTime),
    Column("sent_at", UTCDateTime),
    Column("in_flight_until", UTCDateTime),
    Column("sent_after", UTCDateTime),
    Column("looked_at", UTCDateTime),
    Column("deal_id", BigInteger),
    # The title that it was last sent with: the user may have been renamed since.
    Column("title", Text),
    Column("reason", Text),
    Column("refusals", Integer, nullable=False, server_default=text("0")),
    # It waits because a search before sending it again was not possible.
    Column("not_looked_for", Flag, nullable=False, server_default=text("0")),
    # Of the deal, as far as they are known: activities under it name them, too.
    Column("person_id", BigInteger),
    Column("org_id", BigInteger),
    CheckConstraint("state <> 'published' OR deal_id IS NOT NULL", name="published_has_id"),
)
unsettled = deals.c.state != literal_column("'published'")
Index(
    "ix_deals_unsettled",
    deals.c.state,
    deals.c.sent_at,
    sqlite_where=unsettled,
    postgresql_where=unsettled,
)

checks = Table(
    "checks",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("requested_at", UTCDateTime, nullable=False),
    Column("started_at", UTCDateTime),
    Column("ended_at", UTCDateTime),
    Column("users", Integer, nullable=False, server_default=text("0")),
    Column("unchanged", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("gists", Integer, nullable=False, server_default=text("0")),
    Column("files", Integer, nullable=False, server_default=text("0")),
    Column("failures", Lines, nullable=False, server_default=text("''")),
    # Users that GraphQL was asked about, and the points that this cost.
    Column("swept", Integer, nullable=False, server_default=text("0")),
    Column("points", Integer, nullable=False, server_default=text("0")),
    # Users that were not due, and whose lists REST showed with spare requests.
    Column("listed", Integer, nullable=False, server_default=text("0")),
)
Index("ix_checks_ended_at", checks.c.ended_at)

gists = Table(
    "gists",
    metadata,
    Column("id", String(64), primary_key=True),
    Column(
        "user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("check_id", Key, ForeignKey("checks.id", ondelete="SET NULL"), index=True),
    Column("description", Text),
    Column("html_url", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("found_at", UTCDateTime, nullable=False, index=True),
    Column("deleted_at", UTCDateTime),
    # NULL until its contents were read: only then does GitHub say.
    Column("is_fork", Flag),
)

gist_files = Table(
    "gist_files",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("gist_id", String(64), ForeignKey("gists.id", ondelete="CASCADE"), nullable=False),
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False),
    Column("filename", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("blob_hash", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("language", String(200)),
    Column("content", Text),
    Column("truncated", Flag, nullable=False),
    Column("raw_url", Text, nullable=False),
    Column("found_at", UTCDateTime, nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("revised_at", UTCDateTime),
    Column("removed_at", UTCDateTime),
    UniqueConstraint("gist_id", "filename"),
    UniqueConstraint("user_key", "sequence"),
    Index("ix_gist_files_language", "language", "key"),
    Index("ix_gist_files_found_at", "found_at"),
)

# Items that GitHub lists for a user but that could not be read: they are tried again.
unreadable = Table(
    "unreadable",
    metadata,
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), primary_key=True),
    # Empty for an item of the gist list without an id, or a page of that list.
    Column("gist_id", String(64), primary_key=True),
    # Empty for the whole gist.
    Column("filename", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("first_failed_at", UTCDateTime, nullable=False),
    Column("next_try_at", UTCDateTime, nullable=False),
    Column("skipped_because", Text),
    Column("held_because", Text),
    Index("ix_unreadable_gist_id", "gist_id"),
)

# The former revisions of files; the present one is in gist_files.
revisions = Table(
    "revisions",
    metadata,
    Column("file_key", Key, ForeignKey("gist_files.key", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("blob_hash", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("language", String(200)),
    Column("content", Text),
    Column("truncated", Flag, nullable=False),
    Column("raw_url", Text, nullable=False),
    Column("found_at", UTCDateTime, nullable=False),
)

publications = Table(
    "publications",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("file_key", Key, ForeignKey("gist_files.key", ondelete="CASCADE"), nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("user_key", Key, ForeignKey("users.key", ondelete="CASCADE"), nullable=False),
    Column("marker", String(40), nullable=False, unique=True),
    Column("state", OneOf(PublicationState, 20), nullable=False),
    Column("due_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("looks", Integer, nullable=False, server_default=text("0")),
    Column("token", String(40)),
    Column("lease_until", UTCDateTime),
    Column("sent_at", UTCDateTime),
    # The same as sent_at if Pipedrive refused it then, and every time before.
    Column("refused_at", UTCDateTime),
    # By Pipedrive's time: until then an uncertain write may still arrive.
    Column("in_flight_until", UTCDateTime),
    # By Pipedrive's time, before it was first sent.
    Column("sent_after", UTCDateTime),
    # The time when it was last searched for; set if it may have been sent before.
    Column("looked_at", UTCDateTime),
    Column("deal_id", BigInteger),
    # The user's target at that time; NULL for a deal that was found or made by its title.
    Column("sent_to", AnyTarget),
    Column("activity_id", BigInteger, unique=True),
    Column("reason", Text),
    # It waits because a search before sending it again was not possible.
    Column("not_looked_for", Flag, nullable=False, server_default=text("0")),
    Column("published_at", UTCDateTime),
    Column("backfill", Flag, nullable=False, server_default=text("0")),
    # The time since when Pipedrive's id of it is that of another file's activity, until a person
    # acts.
    Column("activity_lost_at", UTCDateTime),
    # The number of refusals in a row for a reason that affects all users, such as a limit.
    Column("refusals", Integer, nullable=False, server_default=text("0")),
    # When it was first to be published, held or not; NULL if the backfill rule left it out.
    Column("queued_at", UTCDateTime),
    # The kind of reason why it is or was held; `reason` has the sentence. Beside `pending` it says
    # that the publication was found in a dry run.
    Column("held_because", OneOfOr(HeldBecause, 20, other=None)),
    # The state in which it was skipped only because GitHub no longer showed its file. It returns to
    # that state if GitHub shows the file again. NULL if it is skipped for another reason.
    Column("deleted_from", OneOf(PublicationState, 20)),
    # A publication that a person approved is not held.
    Column("approved_at", UTCDateTime),
    Column("approved_by", String(120)),
    # It was approved without what looks like credentials in it.
    Column("masked", Flag, nullable=False, server_default=text("0")),
    # The publication whose activity holds this file, too; `state` is `skipped` then, and nothing
    # sends it: its outcome is that of the holder.
    Column("part_of", Key),
    # The check that found what it publishes; the check may be deleted.
    Column("check_id", Key, index=True),
    # The activity that an undo deleted: a lagging list may still show it.
    Column("deleted_activity_id", BigInteger),
    # By Pipedrive's clock, when gitpip last rewrote the note: that was no person's change.
    Column("note_written_at", UTCDateTime),
    # The marker of its first activity, if a person has had it sent again since.
    Column("first_marker", String(40)),
    # A person has had it sent again, and no request was made for that yet.
    Column("is_new_round", Flag, nullable=False, server_default=text("0")),
    CheckConstraint("state <> 'published' OR activity_id IS NOT NULL", name="published_has_id"),
    UniqueConstraint("file_key", "revision"),
    # Fresh gists come before those from before their user was added.
    Index("ix_publications_queue", "state", "backfill", "due_at"),
    Index("ix_publications_user_key", "user_key"),
    Index("ix_publications_state_id_part_of", "state", "id", "part_of"),
    Index("ix_publications_published_at", "published_at"),
)
# A published one has a reason if its note is not up to date.
is_published = publications.c.state == literal_column("'published'")
note_failed = and_(is_published, publications.c.reason.is_not(None))

sent_again = publications.c.first_marker.is_not(None)
Index(
    "ix_publications_first_marker",
    publications.c.first_marker,
    sqlite_where=sent_again,
    postgresql_where=sent_again,
)

activity_lost = publications.c.activity_lost_at.is_not(None)
Index(
    "ix_publications_activity_lost_at",
    publications.c.activity_lost_at,
    sqlite_where=activity_lost,
    postgresql_where=activity_lost,
)

# Nothing of it can be in Pipedrive: no request was made, or each was refused.
never_arrived = or_(
    publications.c.sent_at.is_(None),
    and_(
        publications.c.refused_at.is_not(None),
        publications.c.refused_at == publications.c.sent_at,
    ),
)
retried = and_(
    publications.c.state.in_(
        [literal_column(f"'{state}'") for state in ("pending", "sending", "uncertain")]
    ),
    publications.c.attempts >= literal_column("3"),
)
Index(
    "ix_publications_retried",
    publications.c.sent_at,
    sqlite_where=retried,
    postgresql_where=retried,
)
