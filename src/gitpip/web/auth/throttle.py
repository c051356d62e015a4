"""Limits on how often each caller may do something, counted by each process."""

import time
from ipaddress import IPv4Address, IPv6Network, ip_address

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

IPV6_PREFIX = 64
"""A single customer gets this much of the IPv6 address space at least (RFC 6177): addresses in
it are one caller, or a caller would have 2**64 allowances."""


class Throttle:
    """Counts what callers do, and says when one has to wait.

    In fixed windows, each from the first act of its caller on. With moving windows, the memory
    storage of `limits` 5.8 keeps an entry for every caller it has ever seen.
    """

    def __init__(self, limit: RateLimitItem) -> None:
        self.limit = limit
        self._storage = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._storage)

    def hit(self, identity: str) -> int | None:
        """Count an act before it is done; None, or for how many seconds the caller has to wait.

        Counting and asking are one step, so that acts at the same moment can't all pass.
        """
        return None if self._limiter.hit(self.limit, identity) else self._pause(identity)

    def give_back(self, identity: str) -> None:
        """Take back an act that was counted, since it turned out to be none of those."""
        self._storage.decr(self.limit.key_for(identity))

    def test(self, identity: str) -> int | None:
        """None, or for how many seconds the caller has to wait; nothing is counted."""
        return None if self._limiter.test(self.limit, identity) else self._pause(identity)

    def _pause(self, identity: str) -> int:
        free_at = self._limiter.get_window_stats(self.limit, identity).reset_time
        return max(1, round(free_at - time.time()))


def address_counted(address: str) -> str:
    """The name under which acts from an IP address are counted: of IPv6, its /64."""
    try:
        known = ip_address(address)
    except ValueError:
        return f"address {address}"
    if isinstance(known, IPv4Address) or known.ipv4_mapped:
        return f"address {address}"
    return f"address {IPv6Network((int(known), IPV6_PREFIX), strict=False)}"
