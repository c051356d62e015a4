"""The rules for the gists that exist when a user is added."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from gitpip.clock import given_moment


class BackfillKind(StrEnum):
    """The rule for gists that exist when a user is added."""

    ALL = "all"
    NONE = "none"
    LATEST = "latest"
    SINCE = "since"


@dataclass(frozen=True)
class Backfill:
    """The part of a new user's past to publish: all, none, the latest N gists, or since a day."""

    kind: BackfillKind
    count: int | None = None
    since: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `all`, `none`, `latest:N` or `since:YYYY-MM-DD` (UTC). Raises ValueError."""
        kind, _, argument = text.strip().partition(":")
        match kind.lower():
            case "all" | "none" if not argument:
                return cls(BackfillKind(kind.lower()))
            case "latest" if (
                argument.isascii() and argument.isdigit() and 0 < int(argument) < 10**6
            ):
                return cls(BackfillKind.LATEST, count=int(argument))
            case "since":
                try:
                    since = given_moment(argument)
                except ValueError:
                    raise ValueError("must be a date, e.g. since:2026-01-31") from None
                return cls(BackfillKind.SINCE, since=since)
            case _:
                raise ValueError(
                    "must be all, none, latest:N (1 to 999999) or since:DATE, "
                    "e.g. latest:3 or since:2026-01-31"
                )

    def __str__(self) -> str:
        match self.kind:
            case BackfillKind.LATEST:
                return f"latest:{self.count}"
            case BackfillKind.SINCE if self.since:
                return f"since:{self.since.isoformat().removesuffix('T00:00:00+00:00')}"
            case _:
                return self.kind.value
