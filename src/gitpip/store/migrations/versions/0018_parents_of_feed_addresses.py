"""A feed's secret address ends with what it was derived from"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "feed_addresses",
        sa.Column("parent", sa.String(length=20), server_default=sa.text("''"), nullable=False),
    )
    # A key that was rotated since has another secret. With which key of the settings an address
    # was made is not known: it could be one that was changed since, so such an address ends.
    op.execute(
        "UPDATE feed_addresses SET parent = coalesce((SELECT label FROM access_keys WHERE "
        "access_keys.id = feed_addresses.key_id AND issued_at <= feed_addresses.created_at), '') "
        "WHERE key_id IS NOT NULL"
    )
    op.execute(
        "UPDATE feed_addresses SET parent = 'anonymous' "
        "WHERE key_id IS NULL AND viewer LIKE 'browser:%'"
    )
