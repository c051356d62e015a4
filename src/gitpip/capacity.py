"""How many users can be checked in each interval, computed from what checking them really costs."""

from dataclasses import dataclass
from datetime import timedelta

REQUESTS_WITHOUT_TOKEN = 60
REQUESTS_WITH_TOKEN = 5_000
POINTS = 5_000
USERS_A_POINT = 50.0
"""How many users one query is assumed to ask about, for a point, until that is measured."""
MOST_USERS_A_POINT = 100.0
"""GraphQL takes no more ids in a query."""
MOST_REQUESTS = 900 * 60
"""An hour of what the secondary limit allows: it counts requests that the hourly one does not."""


@dataclass(frozen=True)
class Means:
    """What GitHub allows in an hour, and what is spent of it."""

    requests: int
    """GitHub's limit of REST."""
    points: int | None = None
    """GitHub's limit of GraphQL; None where users are checked by REST alone."""
    share: float = 1.0
    """How much of the limits is ours, from 0 to 1."""
    users_a_point: float = USERS_A_POINT
    rest_part: float = 0.0
    """The part of the users, from 0 to 1, that REST is asked about all the same."""


def capacity(means: Means, interval: timedelta) -> int:
    """How many users can be checked in each interval.

    By REST a user costs a request: that an unchanged list costs nothing with a token is not
    counted on.
    """
    hours = interval / timedelta(hours=1)
    by_rest = min(means.requests, MOST_REQUESTS) * means.share * hours
    if means.points is None:
        return int(by_rest)
    by_graphql = means.points * means.share * hours * min(means.users_a_point, MOST_USERS_A_POINT)
    if means.rest_part <= 0:
        return int(by_graphql)
    return int(min(by_graphql, by_rest / means.rest_part))
