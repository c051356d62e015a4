"""The query of users, and the reading of its rows."""

from functools import cache
from typing import Any

from sqlalchemy import Select, func, select, type_coerce

from gitpip.model import User
from gitpip.store.column_types import TextSet
from gitpip.store.rows import reader
from gitpip.store.schema import deals, unreadable, user_tags, users
from gitpip.store.schema_targets import deal_drifts, targets

user_of = reader(User)
"""Reads the user from a whole row."""


@cache
def rows() -> Select[Any]:
    """Return the query of whole rows of users, to be narrowed down and read with `user_of`."""
    tags = (
        select(func.aggregate_strings(user_tags.c.tag, ","))
        .where(user_tags.c.user_key == users.c.key)
        .scalar_subquery()
    )
    unread = select(func.count()).where(unreadable.c.user_key == users.c.key).scalar_subquery()
    return (
        select(
            users,
            deals.c.deal_id,
            targets.c.target,
            targets.c.title.label("target_title"),
            targets.c.problem.label("target_problem"),
            deal_drifts.c.drift.label("deal_drift"),
            deal_drifts.c.answer.label("deal_drift_answer"),
            deal_drifts.c.drifted_at.label("deal_drifted_at"),
            deal_drifts.c.drifted_deal_id,
            type_coerce(tags, TextSet).label("tags"),
            unread.label("unreadable"),
        )
        .outerjoin(deals, deals.c.user_key == users.c.key)
        .outerjoin(deal_drifts, deal_drifts.c.user_key == users.c.key)
        .outerjoin(targets, targets.c.user_key == users.c.key)
    )
