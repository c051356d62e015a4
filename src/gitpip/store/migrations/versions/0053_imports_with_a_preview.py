"""Files of imports that wait to be confirmed, and what people chose for their columns"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0053"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("imports", sa.Column("confirmed_at", UTCDateTime(), nullable=True))
    op.add_column("imports", sa.Column("not_on_github", sa.Text(), nullable=True))
    op.add_column(
        "imports",
        sa.Column("asked", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.execute("UPDATE imports SET confirmed_at = started_at")
    op.create_table(
        "import_pieces",
        sa.Column("import_id", Key, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["imports.id"],
            name=op.f("fk_import_pieces_import_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_import_pieces")),
    )
    op.create_table(
        "import_columns",
        sa.Column("signature", sa.String(64), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("signature", name=op.f("pk_import_columns")),
    )
