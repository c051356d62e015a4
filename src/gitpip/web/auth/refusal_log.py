"""Refused requests in the log, which strangers cannot fill: these are logged in part."""

import asyncio
from collections import Counter
from datetime import timedelta
from http import HTTPStatus

from gitpip.observability.logging import get_logger
from gitpip.web.auth.identity import Identity
from gitpip.web.auth.throttle import address_counted

MAX_LOGGED_CHARACTERS = 200
"""The most characters of a path or an address that are logged."""
REFUSALS_LOGGED = 30
"""The most refused requests of one address that are logged in a minute."""
ADDRESSES_LOGGED = 100
"""The most addresses whose refused requests are logged in a minute."""
COUNTED_OVER = timedelta(minutes=1)

log = get_logger()


def shortened(text: str) -> str:
    """A text of a client as it may be logged: its beginning, if it is long."""
    return (
        text
        if len(text) <= MAX_LOGGED_CHARACTERS
        else f"{text[:MAX_LOGGED_CHARACTERS]}... ({len(text)} characters)"
    )


class RefusalLog:
    """Decides which refused requests are logged, and logs how many were left out."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def takes(self, status: int, identity: Identity | None, address: str) -> bool:
        """Return whether a request is to be logged; call it once for each, in a running event loop.

        `caller` is None where no caller was recognised. Requests with a key are always logged.
        """
        if (identity and identity.name) or not _is_refusal(status, identity):
            return True
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(COUNTED_OVER.total_seconds(), self._end_window)
        counted = address_counted(address)
        if counted in self._seen or len(self._seen) < ADDRESSES_LOGGED:
            self._seen[counted] += 1
            if self._seen[counted] <= REFUSALS_LOGGED:
                return True
            self._left_out[counted] += 1
        else:
            self._left_out["other addresses"] += 1
        return False

    def _end_window(self) -> None:
        left_out = self._left_out
        self._seen, self._left_out, self._timer = Counter(), Counter(), None
        if left_out:
            log.warning(
                "http.refusals_not_logged",
                requests=left_out.total(),
                most={shortened(name): number for name, number in left_out.most_common(5)},
                reason=f"at most {REFUSALS_LOGGED} refused requests of an address are logged "
                "in a minute",
            )


def _is_refusal(status: int, identity: Identity | None) -> bool:
    redirected = identity is None and status == HTTPStatus.SEE_OTHER  # to the sign-in page
    is_client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return redirected or is_client_error
