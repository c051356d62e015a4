"""How much a visit to the home page covered is counted when it is made"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NONE = sa.text("0")


def upgrade() -> None:
    op.add_column(
        "home_visits", sa.Column("users", sa.Integer(), server_default=NONE, nullable=False)
    )
    op.add_column(
        "home_visits", sa.Column("files", sa.BigInteger(), server_default=NONE, nullable=False)
    )
    op.execute(
        "UPDATE home_visits SET "
        "users = (SELECT count(*) FROM visits WHERE visits.home_visit_id = home_visits.id), "
        "files = (SELECT coalesce(sum(visits.up_to - visits.after), 0) FROM visits "
        "WHERE visits.home_visit_id = home_visits.id)"
    )
