"""What a failure means, as a value beside its sentence"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

KINDS = """
UPDATE users SET failure_kind = CASE
    WHEN failure LIKE 'not shown by GitHub: %' THEN 'not-shown'
    WHEN failure LIKE '% is the same account as %, tracked already' THEN 'same-account'
    WHEN failure LIKE '%can''t be reached%' THEN 'unreachable'
    ELSE 'other'
END
WHERE failure IS NOT NULL
"""
# The sentence ends with the login of the other user; `uq_users_login` finds it.
SAME_ACCOUNTS = """
UPDATE users SET same_account_as = (
    SELECT other.key FROM users AS other
    WHERE other.removed_at IS NULL AND lower(other.login) = lower(
        replace(
            replace(users.failure, users.login || ' is the same account as ', ''),
            ', tracked already',
            ''
        )
    )
)
WHERE failure IS NOT NULL AND failure_kind = 'same-account'
"""
WORDS = """
UPDATE users SET failure = replace(
    substr(failure, length('not shown by GitHub: ') + 1),
    'no user ' || login,
    'GitHub shows no user ' || login
)
WHERE failure IS NOT NULL AND failure_kind = 'not-shown'
"""
UNREACHABLE = "UPDATE pauses SET unreachable = 1 WHERE reason LIKE '%can''t be reached%'"
NOT_LOOKED_FOR = """
UPDATE {table} SET not_looked_for = 1
WHERE state = 'pending' AND looked_at IS NOT NULL
AND reason LIKE 'could not look for it before sending it again: %'
"""


def upgrade() -> None:
    op.add_column("users", sa.Column("failure_kind", sa.String(20), nullable=True))
    op.add_column("users", sa.Column("same_account_as", Key, nullable=True))
    for statement in (KINDS, SAME_ACCOUNTS, WORDS):
        op.execute(statement)
    op.add_column("pauses", _flag("unreachable"))
    op.execute(UNREACHABLE)
    for table in ("publications", "deals"):
        op.add_column(table, _flag("not_looked_for"))
        op.execute(NOT_LOOKED_FOR.format(table=table))


def _flag(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))
