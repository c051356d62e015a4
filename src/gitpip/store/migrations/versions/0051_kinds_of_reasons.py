"""Why a publication was skipped or a second activity left, as a value beside its sentence"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0049"
branch_labels = None
depends_on = None

DELETED = """
UPDATE publications SET deleted_from = CASE reason
    WHEN 'deleted or made secret while it was held' THEN 'held'
    WHEN 'deleted or made secret before it was sent' THEN 'pending'
END
WHERE state = 'skipped'
"""
LEFT = """
UPDATE doubles SET left_because = CASE
    WHEN reason = 'there are more of them than gitpip sent' THEN 'too-many'
    WHEN reason LIKE 'gitpip %' THEN 'not-deleted'
    ELSE 'touched'
END
WHERE reason IS NOT NULL
"""


def upgrade() -> None:
    op.add_column("publications", sa.Column("deleted_from", sa.String(20), nullable=True))
    op.execute(DELETED)
    op.add_column("doubles", sa.Column("left_because", sa.String(20), nullable=True))
    op.execute(LEFT)
