"""The number of users that can be checked in each interval, from the measured cost of checks."""

from dataclasses import dataclass
from datetime import timedelta

REQUESTS_WITHOUT_TOKEN = 60
REQUESTS_WITH_TOKEN = 5_000
POINTS = 5_000
USERS_A_POINT = 50.0
"""The users assumed in one query, for a point, until that is measured."""
MOST_USERS_A_POINT = 100.0
"""The most users in a query of GraphQL."""
MOST_REQUESTS = 900 * 60
"""The requests of an hour that the secondary limit allows: it counts requests that the hourly one
does not."""


@dataclass(frozen=True)
class HourlyLimits:
    """The limits of GitHub in an hour, and the part that is used."""

    requests: int
    """The hourly limit of REST."""
    points: int | None = None
    """The hourly limit of GraphQL, or None if users are checked by REST alone."""
    share: float = 1.0
    """The part of the limits that is ours, from 0 to 1."""
    users_a_point: float = USERS_A_POINT
    rest_part: float = 0.0
    """The part of the users, from 0 to 1, that REST is asked about in any case."""


def capacity(limits: HourlyLimits, interval: timedelta) -> int:
    """Return how many users can be checked in each interval.

    By REST a user costs a request: the calculation does not rely on unchanged lists being free with
    a token.
    """
    hours = interval / timedelta(hours=1)
    by_rest = min(limits.requests, MOST_REQUESTS) * limits.share * hours
    if limits.points is None:
        return int(by_rest)
    by_graphql = (
        limits.points * limits.share * hours * min(limits.users_a_point, MOST_USERS_A_POINT)
    )
    if limits.rest_part <= 0:
        return int(by_graphql)
    return int(min(by_graphql, by_rest / limits.rest_part))
