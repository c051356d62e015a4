"""Users as they are read: the query, and what a row of it means."""

from typing import Any

from sqlalchemy import Select, func, select, type_coerce

from gitpip.model import User
from gitpip.store.column_types import Words
from gitpip.store.rows import reader
from gitpip.store.schema import deals, unreadable, user_tags, users
from gitpip.store.schema_targets import targets

user_of = reader(User)
"""The user of a whole row."""


def rows() -> Select[Any]:
    """Whole rows of users, to be narrowed down and given to `user_of`."""
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
            type_coerce(tags, Words).label("tags"),
            unread.label("unreadable"),
        )
        .outerjoin(deals, deals.c.user_key == users.c.key)
        .outerjoin(targets, targets.c.user_key == users.c.key)
    )
