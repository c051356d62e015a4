"""Finds an address of GitHub that always asks to wait, though others are answered.

A secondary limit is the caller's: whatever is asked next meets it. Where one address is refused
again, and others were answered since the first wait was over, it is no limit of the caller's.
Without this one user's list, or one gist, would keep everybody waiting whenever it is due.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from gitpip.backoff import backoff

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
REMEMBERED = 1_000


@dataclass(frozen=True)
class _Refused:
    until: datetime
    """When it may be asked for again."""
    alone: int = 0
    """How often in a row it was refused while others were answered."""


class LimitedAlone:
    """The addresses that were refused since they were last answered. Times are UTC.

    The pages of a list are one address: a query is left out.
    """

    def __init__(self) -> None:
        self._refused: dict[str, _Refused] = {}
        self._answered_at: datetime | None = None
        self._refused_last: str | None = None
        """What was refused since the last answer."""

    def waits_until(self, url: str, now: datetime) -> datetime | None:
        """Until when an address is not to be asked for that is refused alone; None if it may be."""
        refused = self._refused.get(_address(url))
        return refused.until if refused and refused.alone and now < refused.until else None

    def answered(self, url: str, now: datetime) -> None:
        """Take in that an address was answered."""
        self._refused.pop(_address(url), None)
        self._answered_at, self._refused_last = now, None

    def refused(self, url: str, announced: timedelta | None, now: datetime) -> datetime | None:
        """Take in a refusal; until when the address is not to be asked for if it is alone.

        `announced` is how long GitHub says to wait. None says that everybody is to wait.
        """
        address, before = _address(url), self._refused.get(_address(url))
        is_only_one = self._refused_last in {None, address}
        self._refused_last = address
        if before is None or not (before.alone or (is_only_one and self._others_since(before))):
            return None
        alone = before.alone + 1
        wait = max(announced or FIRST_WAIT, backoff(alone, FIRST_WAIT, LONGEST_WAIT))
        self._keep(address, _Refused(now + wait, alone))
        return now + wait

    def everybody_waits(self, url: str, until: datetime) -> None:
        """Take in that nothing is asked until a time because of what this address answered."""
        self._keep(_address(url), _Refused(until))

    def _others_since(self, refused: _Refused) -> bool:
        return self._answered_at is not None and self._answered_at >= refused.until

    def _keep(self, address: str, refused: _Refused) -> None:
        if address not in self._refused and len(self._refused) >= REMEMBERED:
            del self._refused[next(iter(self._refused))]
        self._refused[address] = refused


def _address(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()
