"""What GitHub's GraphQL does to large queries without saying so in its documents."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class Troubles:
    """Off by default; every field can be changed while requests come in.

    Numbers count the users (or node ids) of one query.
    """

    fail_above: int | None = None
    """Larger queries fail as `failure` says."""
    failure: Literal["resource-limits", 502, 504] = "resource-limits"
    """A null and RESOURCE_LIMITS_EXCEEDED for each user too many, or a page of the edge's."""
    cut_above: int | None = None
    """Users beyond this one have only half of their gists, silently; so does `totalCount`."""

    def fails(self, subjects: int) -> bool:
        return self.fail_above is not None and subjects > self.fail_above

    def cuts(self, subject: int) -> bool:
        return self.cut_above is not None and subject > self.cut_above
