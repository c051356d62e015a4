"""A finding about one thing: a verdict, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum

WAY_TO = "way to "
"""The beginning of `about` for a connection."""


class Verdict(StrEnum):
    """The verdict on one thing."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """A finding about one thing, with advice if something must be done."""

    about: str
    verdict: Verdict
    found: str
    advice: str | None = None

    @property
    def is_of_connection(self) -> bool:
        """Whether it says if something can be reached."""
        return self.about.startswith(WAY_TO)

    @property
    def title(self) -> str:
        """The subject of the finding, for people. Programs recognise a connection by `WAY_TO`."""
        to = self.about.removeprefix(WAY_TO)
        return f"{to} connection" if self.is_of_connection else self.about


def ok(about: str, found: str) -> Finding:
    return Finding(about, Verdict.OK, found)


def warning(about: str, found: str, advice: str) -> Finding:
    return Finding(about, Verdict.WARNING, found, advice)


def failure(about: str, found: str, advice: str) -> Finding:
    return Finding(about, Verdict.FAILURE, found, advice)
