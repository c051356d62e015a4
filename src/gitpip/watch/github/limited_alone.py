"""The search for an address of GitHub that always asks to wait, though others are answered.

A secondary limit applies to the caller: any next request meets it. If one address is refused again,
and others were answered since the first wait was over, it is not a limit of the caller. Without
this search one user's list, or one gist, would make all others wait whenever it is due.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from gitpip.backoff import backoff

FIRST_ADDRESS_WAIT = timedelta(minutes=1)
LONGEST_ADDRESS_WAIT = timedelta(hours=6)
ADDRESSES_REMEMBERED = 1_000


@dataclass(frozen=True)
class _Refused:
    until: datetime
    """The time at which it may be requested again."""
    alone: int = 0
    """The number of refusals in a row while others were answered."""


class LimitedAddresses:
    """The addresses that were refused since their last answer. Times are UTC.

    The pages of a list are one address: the query is left out.
    """

    def __init__(self) -> None:
        self._refused: dict[str, _Refused] = {}
        self._answered_at: datetime | None = None
        self._refused_last: str | None = None
        """The address that was refused since the last answer."""

    def waits_until(self, url: str, now: datetime) -> datetime | None:
        """Return until when an address that is refused alone must not be requested, or None."""
        refused = self._refused.get(_address(url))
        return refused.until if refused and refused.alone and now < refused.until else None

    def answered(self, url: str, now: datetime) -> None:
        """Note that an address was answered."""
        self._refused.pop(_address(url), None)
        self._answered_at, self._refused_last = now, None

    def refused(self, url: str, announced: timedelta | None, now: datetime) -> datetime | None:
        """Note a refusal; return until when the address must not be requested if it is alone.

        `announced` is how long GitHub says to wait. None says that all requests must wait.
        """
        address, before = _address(url), self._refused.get(_address(url))
        is_only_one = self._refused_last in {None, address}
        self._refused_last = address
        if before is None or not (before.alone or (is_only_one and self._others_since(before))):
            return None
        alone = before.alone + 1
        wait = max(
            announced or FIRST_ADDRESS_WAIT,
            backoff(alone, FIRST_ADDRESS_WAIT, LONGEST_ADDRESS_WAIT),
        )
        self._keep(address, _Refused(now + wait, alone))
        return now + wait

    def everybody_waits(self, url: str, until: datetime) -> None:
        """Note that all requests wait until a time because of the answer of this address."""
        self._keep(_address(url), _Refused(until))

    def _others_since(self, refused: _Refused) -> bool:
        return self._answered_at is not None and self._answered_at >= refused.until

    def _keep(self, address: str, refused: _Refused) -> None:
        if address not in self._refused and len(self._refused) >= ADDRESSES_REMEMBERED:
            del self._refused[next(iter(self._refused))]
        self._refused[address] = refused


def _address(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()
