"""Bodies of what waits for a decision."""

from datetime import datetime

from gitpip.bodies.noun import NounBody
from gitpip.modes import HeldBecause
from gitpip.store.publications.approvals import FileWithCredentials
from gitpip.store.publications.held import Answered, Held


class FileWithCredentialsBody(NounBody[FileWithCredentials]):
    """A file that is held since it looks like it holds credentials. The time is UTC."""

    id: int
    """The id of its publication."""
    filename: str
    since: datetime
    reason: str


class HeldBody(NounBody[Held]):
    """The held files of a user. Times are UTC."""

    login: str
    files: int
    gists: int
    since: datetime
    because: dict[HeldBecause, int]
    """The number of files held for each reason, without those in `credentials`."""
    credentials: list[FileWithCredentialsBody]
    """The files that are held for credentials: approve or skip each. They are not in `files`."""


class AnsweredBody(NounBody[Answered]):
    """The result of an answer, in files."""

    login: str
    """Empty for an answer about all users."""
    published: int
    """The number of files that are sent now, in their turn."""
    skipped: int
    for_credentials: int
    """The number of files that stay held, as they may hold credentials: approve or skip each."""
