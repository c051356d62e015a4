"""Surveys: audits, and the search for what other tools made of the same gists"""

import sqlalchemy as sa
from alembic import op

from gitpip.store.column_types import Key, UTCDateTime

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _surveys()
    _survey_deals()
    _survey_activities()
    _survey_lines()
    _other_activities()
    _adopted_from_others()


def _surveys() -> None:
    op.create_table(
        "surveys",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("requested_by", sa.String(120), nullable=False),
        sa.Column("user_key", Key, nullable=True),
        sa.Column("since", UTCDateTime(), nullable=True),
        sa.Column("with_github", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("account_key", Key, nullable=True),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("begun_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("waits_until", UTCDateTime(), nullable=True),
        sa.Column("waits_because", sa.Text(), nullable=True),
        sa.Column("deals", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("activities", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unread", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("github_lists", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("token", sa.String(40), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_key"],
            ["accounts.key"],
            name=op.f("fk_surveys_account_key"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_key"], ["users.key"], name=op.f("fk_surveys_user_key"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surveys")),
    )


def _survey_deals() -> None:
    op.create_table(
        "survey_deals",
        sa.Column("survey_id", Key, nullable=False),
        sa.Column("deal_id", sa.BigInteger(), nullable=False),
        sa.Column("user_key", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["survey_id"],
            ["surveys.id"],
            name=op.f("fk_survey_deals_survey_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_key"], ["users.key"], name=op.f("fk_survey_deals_user_key"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("survey_id", "deal_id", name=op.f("pk_survey_deals")),
    )
    op.create_index(op.f("ix_survey_deals_user_key"), "survey_deals", ["user_key"])


def _survey_activities() -> None:
    op.create_table(
        "survey_activities",
        sa.Column("survey_id", Key, nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=False),
        sa.Column("marker", sa.String(40), nullable=True),
        sa.Column("deal_id", sa.BigInteger(), nullable=True),
        sa.Column("edited", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey_id"],
            ["surveys.id"],
            name=op.f("fk_survey_activities_survey_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("survey_id", "activity_id", name=op.f("pk_survey_activities")),
    )
    op.create_index(
        op.f("ix_survey_activities_marker"), "survey_activities", ["survey_id", "marker"]
    )


def _survey_lines() -> None:
    op.create_table(
        "survey_lines",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("survey_id", Key, nullable=False),
        sa.Column("user_key", Key, nullable=True),
        sa.Column("gist_id", sa.String(64), nullable=True),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("github", sa.String(20), nullable=False),
        sa.Column("stored", sa.String(20), nullable=False),
        sa.Column("pipedrive", sa.String(20), nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=True),
        sa.Column("deal_id", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("explanation", sa.String(40), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["survey_id"],
            ["surveys.id"],
            name=op.f("fk_survey_lines_survey_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_key"], ["users.key"], name=op.f("fk_survey_lines_user_key"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_lines")),
    )
    op.create_index(op.f("ix_survey_lines_user_key"), "survey_lines", ["user_key"])
    op.create_index(op.f("ix_survey_lines_verdict"), "survey_lines", ["survey_id", "verdict", "id"])


def _other_activities() -> None:
    op.create_table(
        "other_activities",
        sa.Column("survey_id", Key, nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=False),
        sa.Column("publication_id", Key, nullable=True),
        sa.Column("user_key", Key, nullable=True),
        sa.Column("confidence", sa.String(20), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("deal_id", sa.BigInteger(), nullable=True),
        sa.Column("deal_agrees", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("added_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_other_activities_publication_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["survey_id"],
            ["surveys.id"],
            name=op.f("fk_other_activities_survey_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_key"],
            ["users.key"],
            name=op.f("fk_other_activities_user_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("survey_id", "activity_id", name=op.f("pk_other_activities")),
    )
    op.create_index(
        op.f("ix_other_activities_publication"), "other_activities", ["survey_id", "publication_id"]
    )
    op.create_index(
        op.f("ix_other_activities_publication_id"), "other_activities", ["publication_id"]
    )
    op.create_index(op.f("ix_other_activities_user_key"), "other_activities", ["user_key"])


def _adopted_from_others() -> None:
    op.create_table(
        "adopted_from_others",
        sa.Column("publication_id", Key, nullable=False),
        sa.Column("activity_id", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.String(20), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("adopted_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publications.id"],
            name=op.f("fk_adopted_from_others_publication_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("publication_id", name=op.f("pk_adopted_from_others")),
        sa.UniqueConstraint("activity_id", name=op.f("uq_adopted_from_others_activity_id")),
    )
