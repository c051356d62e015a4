"""Bodies of checks."""

from datetime import datetime

from gitpip.bodies.noun import NounBody
from gitpip.model import Check


class CheckBody(NounBody[Check]):
    """One check of the users that were due. Times are UTC."""

    id: int
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    users: int
    unchanged: int
    failed: int
    gists: int
    files: int
    failures: list[str]
