"""A finding about one thing: a verdict, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum

GITHUB_CONNECTION = "GitHub connection"
DESTINATION_CONNECTION = "Pipedrive connection"


class FindingLevel(StrEnum):
    """The verdict on one thing."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """A finding about one thing, with advice if something must be done."""

    about: str
    verdict: FindingLevel
    found: str
    advice: str | None = None

    @property
    def is_of_connection(self) -> bool:
        """Whether it says if something can be reached."""
        return self.about in {GITHUB_CONNECTION, DESTINATION_CONNECTION}


def ok(about: str, found: str) -> Finding:
    return Finding(about, FindingLevel.OK, found)


def warning(about: str, found: str, advice: str) -> Finding:
    return Finding(about, FindingLevel.WARNING, found, advice)


def failure(about: str, found: str, advice: str) -> Finding:
    return Finding(about, FindingLevel.FAILURE, found, advice)
