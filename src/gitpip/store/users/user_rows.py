"""Users as they are read: the query, and what a row of it means."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select

from gitpip.model import Backfill, DealId, GitHubId, User, UserKey, UserState
from gitpip.store.schema import deals, unreadable, user_tags, users


def rows() -> Select[Any]:
    """Whole rows of users, to be narrowed down and given to `user_of`."""
    tags = (
        select(func.aggregate_strings(user_tags.c.tag, ","))
        .where(user_tags.c.user_key == users.c.key)
        .scalar_subquery()
    )
    unread = select(func.count()).where(unreadable.c.user_key == users.c.key).scalar_subquery()
    return select(users, deals.c.deal_id, tags.label("tags"), unread.label("unreadable")).outerjoin(
        deals, deals.c.user_key == users.c.key
    )


def user_of(row: Row[Any]) -> User:
    """The user of a whole row."""
    return User(
        key=UserKey(row.key),
        login=row.login,
        external_id=row.external_id,
        github_id=None if row.github_id is None else GitHubId(row.github_id),
        backfill=Backfill.parse(row.backfill),
        state=UserState(row.state),
        created_at=row.created_at,
        next_check_at=row.next_check_at,
        checked_at=row.checked_at,
        etag=row.etag,
        failures=row.failures,
        failure=row.failure,
        last_sequence=row.last_sequence,
        deal_id=None if row.deal_id is None else DealId(row.deal_id),
        complete_until=row.complete_until,
        node_id=row.node_id,
        former_login=row.former_login,
        check_interval=(
            None if row.check_interval is None else timedelta(seconds=row.check_interval)
        ),
        hinted_at=row.hinted_at,
        gist_count=row.gist_count,
        sweep_mark=row.sweep_mark,
        graphql_refusals=row.graphql_refusals,
        graphql_refused_until=row.graphql_refused_until,
        found_at=row.found_at,
        tags=tuple(sorted(row.tags.split(","))) if row.tags else (),
        added_at=row.added_at,
        added_by_our_clock=bool(row.added_by_our_clock),
        backfill_left=row.backfill_left,
        unreadable=row.unreadable,
    )
