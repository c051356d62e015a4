"""The inbox: in which order gists came, and what each reader has read of them

Triggers keep the order, so that gists that an older process stores during a rolling update are in
it, too. Who rebuilds `gist_files`, `users` or `visits` on SQLite (Alembic's batch mode) has to make
these triggers anew.
"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

ARRIVED = "INSERT INTO inbox (gist_id, user_key, at, created_at) SELECT gists.id, gists.user_key, "
OF_GIST = " FROM gists WHERE gists.id = NEW.gist_id"
FILL = """
    INSERT INTO inbox (key, gist_id, user_key, at, created_at)
    SELECT newest.key, gists.id, gists.user_key, newest.at, gists.created_at
    FROM gists JOIN (
        SELECT gist_id, max(key) AS key, max(found_at) AS at FROM gist_files GROUP BY gist_id
    ) AS newest ON newest.gist_id = gists.id
    ORDER BY newest.key"""
LINES = """
    INSERT INTO inbox_lines (viewer, up_to, visit_id)
    SELECT viewer, max(complete_up_to), max(id) FROM home_visits
    WHERE complete_up_to IS NOT NULL GROUP BY viewer"""
SEEN = """
    UPDATE visits SET inbox_up_to = (
        SELECT gist_files.key FROM gist_files
        WHERE gist_files.user_key = visits.user_key AND gist_files.sequence = visits.up_to
    )"""


def upgrade() -> None:
    op.create_table(
        "inbox",
        sa.Column("key", Key, autoincrement=True, nullable=False),
        sa.Column("gist_id", sa.String(64), nullable=False),
        sa.Column("user_key", Key, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gist_id"], ["gists.id"], name=op.f("fk_inbox_gist_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_key"], ["users.key"], name=op.f("fk_inbox_user_key"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_inbox")),
        sa.UniqueConstraint("gist_id", name=op.f("uq_inbox_gist_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "inbox_lines",
        sa.Column("viewer", sa.String(100), nullable=False),
        sa.Column("up_to", sa.BigInteger(), nullable=False),
        sa.Column("formerly", sa.BigInteger(), nullable=True),
        sa.Column("visit_id", Key, nullable=False),
        sa.PrimaryKeyConstraint("viewer", name=op.f("pk_inbox_lines")),
    )
    op.create_table(
        "inbox_marks",
        sa.Column("viewer", sa.String(100), nullable=False),
        sa.Column("gist_id", sa.String(64), nullable=False),
        sa.Column("up_to", sa.BigInteger(), nullable=False),
        sa.Column("formerly", sa.BigInteger(), nullable=True),
        sa.Column("visit_id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["gist_id"], ["gists.id"], name=op.f("fk_inbox_marks_gist_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("viewer", "gist_id", name=op.f("pk_inbox_marks")),
    )
    op.create_index("ix_inbox_marks_gist_id", "inbox_marks", ["gist_id"])
    op.create_index("ix_inbox_marks_order", "inbox_marks", ["viewer", "up_to"])
    op.add_column("users", sa.Column("returned_key", Key, nullable=True))
    op.add_column("visits", sa.Column("inbox_up_to", sa.BigInteger(), nullable=True))
    op.add_column(
        "home_visits",
        sa.Column("gists", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "home_visits",
        sa.Column("unread", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("home_visits", sa.Column("undone_at", UTCDateTime(), nullable=True))
    for statement in (FILL, LINES, SEEN):
        op.execute(statement)
    op.create_index("ix_inbox_user_key", "inbox", ["user_key", "key"])
    op.create_index("ix_inbox_created_at", "inbox", ["created_at", "key"])
    returned = sa.text("returned_key IS NOT NULL")
    op.create_index(
        "ix_users_returned_key",
        "users",
        ["returned_key"],
        sqlite_where=returned,
        postgresql_where=returned,
    )
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
    else:
        _postgres()


def _sqlite() -> None:
    gone = "DELETE FROM inbox WHERE gist_id = NEW.gist_id"
    for occasion, statements in {
        "inbox_file_added AFTER INSERT ON gist_files": (
            gone,
            f"{ARRIVED}NEW.found_at, gists.created_at{OF_GIST}",
        ),
        "inbox_file_edited AFTER UPDATE OF revision ON gist_files "
        "WHEN NEW.revision <> OLD.revision": (
            gone,
            f"{ARRIVED}coalesce(NEW.revised_at, NEW.found_at), gists.created_at{OF_GIST}",
        ),
        "inbox_user_returned AFTER UPDATE OF removed_at ON users "
        "WHEN OLD.removed_at IS NOT NULL AND NEW.removed_at IS NULL": (
            "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'inbox'",
            "UPDATE users SET returned_key = (SELECT coalesce(max(seq), 0) FROM sqlite_sequence "
            "WHERE name = 'inbox') WHERE key = NEW.key",
        ),
    }.items():
        op.execute(f"CREATE TRIGGER {occasion} BEGIN {'; '.join(statements)}; END")


def _postgres() -> None:
    op.execute(
        "SELECT setval(pg_get_serial_sequence('inbox', 'key'), greatest(max(key), 1), "
        "max(key) IS NOT NULL) FROM inbox"
    )
    op.execute(
        "CREATE FUNCTION gitpip_inbox_file() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{ARRIVED}CASE WHEN TG_OP = 'UPDATE' THEN coalesce(NEW.revised_at, NEW.found_at) "
        f"ELSE NEW.found_at END, gists.created_at{OF_GIST} "
        "ON CONFLICT (gist_id) DO UPDATE SET key = excluded.key, at = excluded.at; "
        "RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER inbox_file_added AFTER INSERT ON gist_files FOR EACH ROW "
        "EXECUTE FUNCTION gitpip_inbox_file()"
    )
    op.execute(
        "CREATE TRIGGER inbox_file_edited AFTER UPDATE OF revision ON gist_files FOR EACH ROW "
        "WHEN (NEW.revision <> OLD.revision) EXECUTE FUNCTION gitpip_inbox_file()"
    )
    op.execute(
        "CREATE FUNCTION gitpip_inbox_user() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "NEW.returned_key := nextval('inbox_key_seq'); RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER inbox_user_returned BEFORE UPDATE OF removed_at ON users FOR EACH ROW "
        "WHEN (OLD.removed_at IS NOT NULL AND NEW.removed_at IS NULL) "
        "EXECUTE FUNCTION gitpip_inbox_user()"
    )
